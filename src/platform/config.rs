//! The configuration: every variable and secret the worker reads, in one place.
//!
//! A value is read when a route needs it, so that a mistake in one setting never stops a route
//! that does not use it. A setting that is needed and missing or unreadable fails closed.

use core::fmt;
use core::future::Future;
use core::time::Duration;
use std::collections::BTreeMap;

use crate::elevenlabs::Telephony;

/// The name of the D1 binding.
pub const DATABASE: &str = "DB";
/// The rate limit of turns for one call.
pub const TURN_LIMIT_BY_CALL: &str = "TURN_RATE_LIMIT_BY_CALL";
/// The rate limit of turns from one address.
pub const TURN_LIMIT_BY_ADDRESS: &str = "TURN_RATE_LIMIT_BY_ADDRESS";
/// Every variable and secret, for the detailed health check.
pub const NAMES: [&str; 11] = [
    "API_TOKEN",
    "ELEVENLABS_AGENT_ID",
    "ELEVENLABS_API_KEY",
    "ELEVENLABS_BASE_URL",
    "ELEVENLABS_PHONE_NUMBER_ID",
    "ELEVENLABS_TELEPHONY",
    "ELEVENLABS_TIMEOUT_SECS",
    "ELEVENLABS_WEBHOOK_SECRET",
    "RECONCILE_AFTER_MINUTES",
    "RETENTION_DAYS",
    "WEBHOOK_TOKEN",
];
/// ElevenLabs' API where `ELEVENLABS_BASE_URL` is not set.
pub const DEFAULT_BASE_URL: &str = "https://api.elevenlabs.io";
/// Seconds to wait for ElevenLabs where `ELEVENLABS_TIMEOUT_SECS` is not set: its SIP route
/// answers only when the callee picks up.
pub const DEFAULT_TIMEOUT_SECS: u32 = 90;

/// Minutes before a call is asked about where `RECONCILE_AFTER_MINUTES` is not set.
pub const DEFAULT_RECONCILE_AFTER_MINUTES: u32 = 15;

/// Where variables and secrets come from, by name.
pub trait Settings {
    /// The value; `None` when it is not set. An empty value counts as not set.
    fn get(&self, name: &str) -> Option<String>;

    /// Whether a rate limit bound under this name admits one more of this key. Where nothing is
    /// bound, or the limiter fails, everything is admitted: a lost turn is worse than one too many.
    fn admits(&self, _limit: &'static str, _key: &str) -> impl Future<Output = bool> {
        core::future::ready(true)
    }
}

impl<S: Settings> Settings for &S {
    fn get(&self, name: &str) -> Option<String> {
        (**self).get(name)
    }

    fn admits(&self, limit: &'static str, key: &str) -> impl Future<Output = bool> {
        (**self).admits(limit, key)
    }
}

/// A setting that a route needs is missing or cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotConfigured {
    /// The variable or secret.
    pub name: &'static str,
    /// What is wrong with it. Never its value, which may be a secret.
    pub fault: &'static str,
}

impl fmt::Display for NotConfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.fault)
    }
}

/// What placing calls needs.
#[derive(Debug, Clone)]
pub struct Placing {
    /// Access to ElevenLabs.
    pub access: Access,
    /// The agent that speaks.
    pub agent_id: String,
    /// The imported number it calls from.
    pub phone_number_id: String,
    /// The route.
    pub telephony: Telephony,
}

/// Access to ElevenLabs' API.
#[derive(Clone)]
pub struct Access {
    /// Scheme and host.
    pub base_url: String,
    /// The secret for `xi-api-key`.
    pub api_key: String,
    /// How long to wait for an answer.
    pub timeout: Duration,
}

/// Shows no key.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({})", self.base_url)
    }
}

/// The secret that places and reads calls.
///
/// # Errors
/// [`NotConfigured`] when it is not set: without it nobody may.
pub fn api_token(settings: &impl Settings) -> Result<String, NotConfigured> {
    required(settings, "API_TOKEN")
}

/// The secret of the turn webhook; `None` leaves that route public.
pub fn webhook_token(settings: &impl Settings) -> Option<String> {
    optional(settings, "WEBHOOK_TOKEN")
}

/// Which settings are set, by name; never their values.
pub fn present(settings: &impl Settings) -> BTreeMap<&'static str, bool> {
    let set = |name: &'static str| (name, optional(settings, name).is_some());
    NAMES.into_iter().map(set).collect()
}

/// The secrets that sign ElevenLabs' events: one, or several separated by commas.
///
/// # Errors
/// [`NotConfigured`] when none is set: without it anybody could settle calls.
pub fn webhook_secrets(settings: &impl Settings) -> Result<String, NotConfigured> {
    required(settings, "ELEVENLABS_WEBHOOK_SECRET")
}

/// How long a call may be in progress before ElevenLabs is asked about it.
///
/// # Errors
/// [`NotConfigured`] when it is set to anything but a whole number of minutes above 0.
pub fn reconcile_after(settings: &impl Settings) -> Result<Duration, NotConfigured> {
    let minutes = whole_number(settings, "RECONCILE_AFTER_MINUTES")?;
    let minutes = minutes.unwrap_or(DEFAULT_RECONCILE_AFTER_MINUTES);
    Ok(Duration::from_secs(u64::from(minutes) * 60))
}

/// How long texts are kept; `None` keeps them for ever.
///
/// # Errors
/// [`NotConfigured`] when it is set to anything but a whole number of days above 0.
pub fn retention(settings: &impl Settings) -> Result<Option<Duration>, NotConfigured> {
    let days = whole_number(settings, "RETENTION_DAYS")?;
    Ok(days.map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60)))
}

/// What placing calls needs.
///
/// # Errors
/// [`NotConfigured`] for the first setting that is missing or unreadable.
pub fn placing(settings: &impl Settings) -> Result<Placing, NotConfigured> {
    Ok(Placing {
        access: access(settings)?,
        agent_id: required(settings, "ELEVENLABS_AGENT_ID")?,
        phone_number_id: required(settings, "ELEVENLABS_PHONE_NUMBER_ID")?,
        telephony: match optional(settings, "ELEVENLABS_TELEPHONY").as_deref() {
            None | Some("twilio") => Telephony::Twilio,
            Some("sip-trunk") => Telephony::SipTrunk,
            Some(_) => {
                return Err(NotConfigured {
                    name: "ELEVENLABS_TELEPHONY",
                    fault: "must be twilio or sip-trunk",
                });
            }
        },
    })
}

/// What every use of ElevenLabs' API needs.
///
/// # Errors
/// [`NotConfigured`] for the first setting that is missing or unreadable.
pub fn access(settings: &impl Settings) -> Result<Access, NotConfigured> {
    let base_url =
        optional(settings, "ELEVENLABS_BASE_URL").unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
    if !base_url.starts_with("https://") && !base_url.starts_with("http://") {
        return Err(NotConfigured {
            name: "ELEVENLABS_BASE_URL",
            fault: "must start with https:// (or http:// on a laptop)",
        });
    }
    let seconds =
        whole_number(settings, "ELEVENLABS_TIMEOUT_SECS")?.unwrap_or(DEFAULT_TIMEOUT_SECS);
    Ok(Access {
        base_url,
        api_key: required(settings, "ELEVENLABS_API_KEY")?,
        timeout: Duration::from_secs(seconds.into()),
    })
}

fn optional(settings: &impl Settings, name: &str) -> Option<String> {
    settings.get(name).filter(|value| !value.is_empty())
}

fn required(settings: &impl Settings, name: &'static str) -> Result<String, NotConfigured> {
    optional(settings, name).ok_or(NotConfigured {
        name,
        fault: "is not set",
    })
}

fn whole_number(
    settings: &impl Settings,
    name: &'static str,
) -> Result<Option<u32>, NotConfigured> {
    let Some(text) = optional(settings, name) else {
        return Ok(None);
    };
    match text.trim().parse() {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(NotConfigured {
            name,
            fault: "must be a whole number above 0",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Settings, placing};
    use crate::elevenlabs::Telephony;

    struct Given(Vec<(&'static str, &'static str)>);

    impl Settings for Given {
        fn get(&self, name: &str) -> Option<String> {
            let found = self.0.iter().rev().find(|(given, _)| *given == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    fn given(more: &[(&'static str, &'static str)]) -> Given {
        let mut all = vec![
            ("ELEVENLABS_API_KEY", "key"),
            ("ELEVENLABS_AGENT_ID", "agent"),
            ("ELEVENLABS_PHONE_NUMBER_ID", "phnum"),
        ];
        all.extend(more);
        Given(all)
    }

    #[test]
    fn defaults_stand_where_nothing_is_set() {
        let placing = placing(&given(&[])).ok().unwrap();
        assert_eq!(placing.access.base_url, "https://api.elevenlabs.io");
        assert_eq!(placing.access.timeout.as_secs(), 90);
        assert_eq!(placing.telephony, Telephony::Twilio);
    }

    #[test]
    fn what_is_missing_or_unreadable_is_named_without_its_value() {
        for (name, value) in [
            ("ELEVENLABS_API_KEY", ""),
            ("ELEVENLABS_AGENT_ID", ""),
            ("ELEVENLABS_PHONE_NUMBER_ID", ""),
            ("ELEVENLABS_TELEPHONY", "carrier-pigeon"),
            ("ELEVENLABS_TIMEOUT_SECS", "soon"),
            ("ELEVENLABS_TIMEOUT_SECS", "-3"),
            ("ELEVENLABS_BASE_URL", "api.elevenlabs.io"),
        ] {
            let fault = placing(&given(&[(name, value)])).err().unwrap();
            assert_eq!(fault.name, name);
            assert!(value.is_empty() || !fault.to_string().contains(value));
        }
    }
}
