//! Addresses as C programs read them.

use std::net::Ipv4Addr;

use ipnet::IpNet;

/// What `inet_aton` and numeric `getaddrinfo` make of digits and dots: up to four numbers, octal after a zero, the last one filling what is left.
pub(super) fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, octets) = numbers.split_last()?;
    let width = 32_u32.checked_sub(u32::try_from(octets.len()).ok()?.checked_mul(8)?).filter(|width| *width > 0)?;
    let fits = width == 32 || last.checked_shr(width) == Some(0);
    if octets.iter().any(|octet| *octet > 255) || !fits {
        return None;
    }
    let high = octets.iter().fold(0_u32, |high, octet| high.wrapping_shl(8) | octet);
    let high = if octets.is_empty() { 0 } else { high.checked_shl(width)? };
    Some(Ipv4Addr::from_bits(high | last))
}

fn number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if text.len() > 1 && text.starts_with('0') { u32::from_str_radix(text, 8).ok() } else { text.parse().ok() }
}

/// Whether no source on a wire can have such an address: loopback, "this network", "unspecified".
pub(super) fn is_nobodys(net: IpNet) -> bool {
    match net {
        IpNet::V4(v4) => v4.prefix_len() >= 8 && matches!(v4.addr().octets(), [0 | 127, ..]),
        IpNet::V6(v6) => v6.prefix_len() == 128 && (v6.addr().is_loopback() || v6.addr().is_unspecified()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_octal_forms_are_read_as_c_reads_them() {
        for (text, meant) in [
            ("10.9.0.2", "10.9.0.2"),
            ("10.9.2", "10.9.0.2"),
            ("10.2", "10.0.0.2"),
            ("167772162", "10.0.0.2"),
            ("012.9.0.2", "10.9.0.2"),
            ("0.0.0.0", "0.0.0.0"),
            ("255.255.255.255", "255.255.255.255"),
            ("10.9.65535", "10.9.255.255"),
        ] {
            assert_eq!(inet_aton(text), Some(meant.parse().unwrap()), "{text}");
        }
        for text in
            ["", ".", "1.2.3.4.5", "256.1.1.1", "1.2.3.256", "08.1.1.1", "1..2", "10.9.65536", "4294967296", "+1.2.3.4"]
        {
            assert_eq!(inet_aton(text), None, "{text}");
        }
    }
}
