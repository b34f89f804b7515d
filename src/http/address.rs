//! Which IP addresses count as one sender for the rate limit.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// The rate limit's key for an address.
///
/// One sender usually has a whole IPv6 /64 and can send each request from another address in it.
/// So the /64 is the key. An IPv4-mapped address (`::ffff:192.0.2.1`) has the key of the IPv4
/// address. A zone (`fe80::1%eth0`) is ignored. A text that is not an address is its own key.
pub fn rate_limit_key(address: &str) -> Cow<'_, str> {
    let without_zone = address.split('%').next().unwrap_or_default();
    let Ok(parsed) = without_zone.parse::<Ipv6Addr>() else {
        return Cow::Borrowed(address);
    };
    Cow::Owned(match parsed.to_ipv4_mapped() {
        Some(v4) => v4.to_string(),
        None => format!("{:016x}/64", parsed.to_bits() >> 64),
    })
}

#[cfg(test)]
mod tests {
    use super::rate_limit_key;

    #[test]
    fn an_ipv6_network_of_64_bits_is_one_key() {
        let key = rate_limit_key("2001:db8:0:1::1");
        for same in [
            "2001:db8:0:1::2",
            "2001:DB8:0:1:ffff:ffff:ffff:ffff",
            "2001:0db8:0000:0001:0000:0000:0000:0001",
            "2001:db8:0:1::1%eth0",
            "2001:db8::1:0:0:192.0.2.1",
        ] {
            assert_eq!(rate_limit_key(same), key, "{same}");
        }
        for other in ["2001:db8:0:2::1", "2001:db8::1", "::1", "192.0.2.1"] {
            assert_ne!(rate_limit_key(other), key, "{other}");
        }
    }

    #[test]
    fn an_ipv4_address_is_its_own_key_in_either_form() {
        for mapped in ["::ffff:192.0.2.1", "::FFFF:c000:201", "::ffff:192.0.2.1%1"] {
            assert_eq!(rate_limit_key(mapped), "192.0.2.1");
        }
        for other in ["192.0.2.1", "192.0.2.2"] {
            assert_eq!(rate_limit_key(other), other);
        }
    }

    #[test]
    fn what_is_no_address_is_its_own_key() {
        for text in ["", "%", "unknown", "192.0.2", "1::2::3", "[::1]", "x%eth0"] {
            assert_eq!(rate_limit_key(text), text);
        }
    }
}
