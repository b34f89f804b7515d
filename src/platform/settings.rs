//! The interface to variables, secrets and rate limits, and the functions that read their values.

use core::fmt;
use core::future::Future;

/// The greatest safe integer of JavaScript, 2^53 − 1.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// The value of one variable or secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// The name is not set.
    Unset,
    /// A text, as it was written. An empty text counts as not set.
    Text(String),
    /// It is set, but not to text: a boolean, an object, a list, `null`, or a number whose digits are
    /// not known.
    Unreadable,
}

impl Setting {
    /// The digits of a number: `30` without quotes in `wrangler.toml` means `"30"`.
    ///
    /// A fraction or a number beyond 2^53 − 1 is [`Setting::Unreadable`]. Its digits may differ from
    /// those that were written (`1.50` arrives as `1.5`), and a token must be exact.
    #[must_use]
    pub fn from_number(number: f64) -> Self {
        if number.fract() != 0.0 || number.abs() > MAX_SAFE_INTEGER || number.is_nan() {
            return Self::Unreadable;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a whole number up to 2^53 − 1"
        )]
        let whole = number as i64;
        Self::Text(whole.to_string())
    }
}

/// What is bound under the name of a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimit {
    /// Nothing.
    Unbound,
    /// A rate limit.
    Bound,
    /// Something else, for example a variable.
    Other,
}

/// Variables, secrets and rate limits, by name.
pub trait Settings {
    /// The value under this name.
    fn get(&self, name: &str) -> Setting;

    /// What is bound under the name of a rate limit.
    fn rate_limit(&self, _name: &str) -> RateLimit {
        RateLimit::Unbound
    }

    /// Whether something other than a bucket is bound under this name.
    fn is_no_bucket(&self, _name: &str) -> bool {
        false
    }

    /// Whether the rate limit under this name admits one more request with this key. True if the
    /// limiter fails.
    fn admits(&self, _limit: &'static str, _key: &str) -> impl Future<Output = bool> {
        core::future::ready(true)
    }
}

impl<S: Settings> Settings for &S {
    fn get(&self, name: &str) -> Setting {
        (**self).get(name)
    }

    fn rate_limit(&self, name: &str) -> RateLimit {
        (**self).rate_limit(name)
    }

    fn is_no_bucket(&self, name: &str) -> bool {
        (**self).is_no_bucket(name)
    }

    fn admits(&self, limit: &'static str, key: &str) -> impl Future<Output = bool> {
        (**self).admits(limit, key)
    }
}

/// A setting that a route needs is missing or cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotConfigured {
    pub name: &'static str,
    /// What is wrong with it, without its value: that may be a secret.
    pub fault: &'static str,
}

impl fmt::Display for NotConfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.fault)
    }
}

/// Reads a value; all other readers use this one. Trims white space, which comes from a file or a
/// pipe and is part of no setting.
pub(super) fn optional(
    settings: &impl Settings,
    name: &'static str,
) -> Result<Option<String>, NotConfigured> {
    let fault = match settings.get(name) {
        Setting::Unset => return Ok(None),
        Setting::Text(text) if text.is_empty() => return Ok(None),
        Setting::Text(text) => match text.trim() {
            // The operator tried to set it. If a token counted as unset, its route would be open.
            "" => "has nothing but white space",
            value => return Ok(Some(value.to_owned())),
        },
        Setting::Unreadable => "is neither text nor a whole number; write it in quotes",
    };
    Err(NotConfigured { name, fault })
}

/// Reads a value that must be set.
pub(super) fn required(
    settings: &impl Settings,
    name: &'static str,
) -> Result<String, NotConfigured> {
    let fault = "is not set";
    optional(settings, name)?.ok_or(NotConfigured { name, fault })
}

/// Reads a value that is one text, or several separated by commas.
pub(super) fn listed(
    settings: &impl Settings,
    name: &'static str,
) -> Result<Vec<String>, NotConfigured> {
    let Some(text) = optional(settings, name)? else {
        return Ok(Vec::new());
    };
    let items = text.split(',').map(str::trim).filter(|one| !one.is_empty());
    let items: Vec<String> = items.map(str::to_owned).collect();
    if items.is_empty() {
        let fault = "has nothing but commas";
        return Err(NotConfigured { name, fault });
    }
    Ok(items)
}

/// Whether a request can carry this key in a header, as it was given out.
pub(super) fn is_key(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether paths can be appended to this address, so that requests reach its host: a scheme, a
/// host, perhaps a port and a path, and neither query nor fragment.
pub(super) fn is_base_url(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || rest.contains(['?', '#', '\\', '@']) {
        return false;
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    let is_host = match host.strip_prefix('[') {
        Some(inner) => (inner.strip_suffix(']'))
            .is_some_and(|address| address.parse::<core::net::Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && (host.bytes()).all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        }
    };
    is_host && (port.is_empty() || port.parse::<u16>().is_ok())
}

/// Reads a whole number above 0.
pub(super) fn whole_number(
    settings: &impl Settings,
    name: &'static str,
) -> Result<Option<u32>, NotConfigured> {
    let Some(text) = optional(settings, name)? else {
        return Ok(None);
    };
    match text.parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(NotConfigured {
            name,
            fault: "must be a whole number above 0",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Setting, Settings, is_base_url, optional};

    struct One(Setting);

    impl Settings for One {
        fn get(&self, _name: &str) -> Setting {
            self.0.clone()
        }
    }

    #[test]
    fn a_whole_number_is_read_as_its_digits_and_no_other_number_is_read() {
        let text = |text: &str| Setting::Text(text.to_owned());
        for (number, setting) in [
            (30.0, text("30")),
            (0.0, text("0")),
            (-0.0, text("0")),
            (-3.0, text("-3")),
            (9_007_199_254_740_991.0, text("9007199254740991")),
            (9_007_199_254_740_992.0, Setting::Unreadable),
            (0.5, Setting::Unreadable),
            (1e21, Setting::Unreadable),
            (f64::NAN, Setting::Unreadable),
            (f64::INFINITY, Setting::Unreadable),
            (f64::NEG_INFINITY, Setting::Unreadable),
        ] {
            assert_eq!(Setting::from_number(number), setting, "{number}");
        }
    }

    #[test]
    fn an_address_is_usable_when_a_path_behind_it_reaches_its_host() {
        for usable in [
            "https://api.elevenlabs.io",
            "https://api.eu.residency.elevenlabs.io/",
            "http://127.0.0.1:8790",
            "http://[::1]:8790/proxy/",
            "http://elevenlabs_1",
        ] {
            assert!(is_base_url(usable), "{usable}");
        }
        for unusable in [
            "https://",
            "https:///v1",
            "https://:443",
            "https://api.elevenlabs.io:99999",
            "https://api.elevenlabs.io:https",
            "https://api.elevenlabs.io?x=1",
            "https://api.elevenlabs.io/#v1",
            "https://api elevenlabs.io",
            "https://api.elevenlabs.io\\v1",
            "https://user:secret@api.elevenlabs.io",
            "https://[::1",
            "https://[api]",
            "https://“api.elevenlabs.io”",
        ] {
            assert!(!is_base_url(unusable), "{unusable}");
        }
    }

    #[test]
    fn only_what_is_absent_or_empty_counts_as_unset() {
        let read = |setting| optional(&One(setting), "WEBHOOK_TOKEN");
        let text = |text: &str| read(Setting::Text(text.to_owned()));
        assert_eq!(read(Setting::Unset), Ok(None));
        assert_eq!(text(""), Ok(None));
        assert_eq!(text(" s3cret\n"), Ok(Some("s3cret".to_owned())));
        for wrong in [read(Setting::Unreadable), text(" "), text("\n\t")] {
            assert_eq!(wrong.unwrap_err().name, "WEBHOOK_TOKEN");
        }
    }
}
