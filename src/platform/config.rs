//! The configuration: every variable and secret the worker reads, in one place.
//!
//! A route reads a setting when it needs it. So a mistake in one setting stops only the routes that
//! use it. They fail closed: if a setting is missing or unreadable, the route answers 503
//! `not_configured`, and the log names the setting.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use super::plan::Plan;
pub use super::settings::{NotConfigured, RateLimit, Setting, Settings};
use super::settings::{is_base_url, is_key, listed, optional, required, whole_number};
use crate::model::Telephony;

/// The name of the D1 binding.
pub const DATABASE: &str = "DB";
/// The name of the R2 binding, which is optional.
pub const BUCKET: &str = "EVENTS";
/// The rate limit of turns for one call.
pub const TURN_LIMIT_BY_CALL: &str = "TURN_RATE_LIMIT_BY_CALL";
/// The rate limit of turns from one address.
pub const TURN_LIMIT_BY_ADDRESS: &str = "TURN_RATE_LIMIT_BY_ADDRESS";
/// Every variable and secret, for the detailed health check.
pub const NAMES: [&str; 12] = [
    "API_TOKEN",
    "CLOUDFLARE_PLAN",
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
/// The default of `ELEVENLABS_BASE_URL`.
pub const DEFAULT_BASE_URL: &str = "https://api.elevenlabs.io";
/// Maximum timeout in seconds. `setTimeout` takes at most 2^31 − 1 milliseconds; with more, it fires
/// at once.
const MAX_TIMEOUT_SECS: u32 = 2_147_483;
/// The setting that [`agents`] reads.
const AGENT_ID: &str = "ELEVENLABS_AGENT_ID";
/// The setting that [`access`] sends as `xi-api-key`.
const API_KEY: &str = "ELEVENLABS_API_KEY";
/// The setting that [`webhook_secrets`] reads.
const WEBHOOK_SECRET: &str = "ELEVENLABS_WEBHOOK_SECRET";
/// The default of `ELEVENLABS_TIMEOUT_SECS`. ElevenLabs' SIP route answers only when the driver picks
/// up.
pub const DEFAULT_TIMEOUT_SECS: u32 = 90;

/// The default of `RECONCILE_AFTER_MINUTES`.
pub const DEFAULT_RECONCILE_AFTER_MINUTES: u32 = 15;

/// The settings for placing calls.
#[derive(Debug, Clone)]
pub struct Placing {
    pub access: Access,
    /// The first of the configured agents.
    pub agent_id: String,
    /// The imported number that the agent calls from.
    pub phone_number_id: String,

    pub telephony: Telephony,
}

/// The agents whose conversations may belong to calls of this ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agents(Vec<String>);

impl Agents {
    /// Whether an event of this agent may be about a call of this ledger. Also true if no agent is
    /// configured or the event names none, so that no event of this ledger is lost.
    #[must_use]
    pub fn may_own(&self, agent_id: Option<&str>) -> bool {
        let Self(ours) = self;
        agent_id.is_none_or(|agent_id| ours.is_empty() || ours.iter().any(|id| id == agent_id))
    }
}

/// Access to ElevenLabs' API.
#[derive(Clone)]
pub struct Access {
    /// Scheme and host, and a port where there is one.
    pub base_url: String,
    /// The secret for `xi-api-key`.
    pub api_key: String,
    /// Of one request.
    pub timeout: Duration,
}

/// Without the key.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({})", self.base_url)
    }
}

/// The token of the requests that place and read calls.
///
/// # Errors
/// [`NotConfigured`] when it is not set or unreadable. Then those routes are closed.
pub fn api_token(settings: &impl Settings) -> Result<String, NotConfigured> {
    required(settings, "API_TOKEN")
}

/// The token of the turn webhook. `None` leaves that route unauthenticated.
///
/// # Errors
/// [`NotConfigured`] when it is set and unreadable. Then the route is closed.
pub fn webhook_token(settings: &impl Settings) -> Result<Option<String>, NotConfigured> {
    optional(settings, "WEBHOOK_TOKEN")
}

/// Which settings are set, by name, without their values.
pub fn present(settings: &impl Settings) -> BTreeMap<&'static str, bool> {
    let set = |name: &'static str| (name, !matches!(optional(settings, name), Ok(None)));
    NAMES.into_iter().map(set).collect()
}

/// The faults of settings that are set, by name, without their values.
pub fn faults(settings: &impl Settings) -> BTreeMap<&'static str, &'static str> {
    let limits = [TURN_LIMIT_BY_CALL, TURN_LIMIT_BY_ADDRESS];
    NAMES
        .into_iter()
        .filter_map(|name| optional(settings, name).err())
        .chain(listed(settings, AGENT_ID).err())
        .chain(listed(settings, WEBHOOK_SECRET).err())
        .chain(api_key(settings).err())
        .chain(plan(settings).err())
        .chain(telephony(settings).err())
        .chain(base_url(settings).err())
        .chain(timeout(settings).err())
        .chain(reconcile_after(settings).err())
        .chain(retention(settings).err())
        .chain(
            limits
                .into_iter()
                .filter_map(|limit| is_limited(settings, limit).err()),
        )
        .chain(settings.is_no_bucket(BUCKET).then_some(NotConfigured {
            name: BUCKET,
            fault: "is bound to something that is not an R2 bucket; the database keeps the events",
        }))
        .map(|wrong| (wrong.name, wrong.fault))
        .collect()
}

/// Whether a rate limit admits one more request with this key. True if none is bound or the limiter
/// fails: a lost turn is worse than one request too many.
///
/// # Errors
/// [`NotConfigured`] when something other than a rate limit is bound under its name.
pub async fn admits(
    settings: &impl Settings,
    limit: &'static str,
    key: &str,
) -> Result<bool, NotConfigured> {
    Ok(!is_limited(settings, limit)? || settings.admits(limit, key).await)
}

fn is_limited(settings: &impl Settings, name: &'static str) -> Result<bool, NotConfigured> {
    match settings.rate_limit(name) {
        RateLimit::Unbound => Ok(false),
        RateLimit::Bound => Ok(true),
        RateLimit::Other => Err(NotConfigured {
            name,
            fault: "is bound to something that is not a rate limit",
        }),
    }
}

/// The secrets that sign ElevenLabs' events: one, or several separated by commas.
///
/// # Errors
/// [`NotConfigured`] when none is set. Without a signature, any sender could settle calls.
pub fn webhook_secrets(settings: &impl Settings) -> Result<String, NotConfigured> {
    listed(settings, WEBHOOK_SECRET)?;
    required(settings, WEBHOOK_SECRET)
}

/// `ELEVENLABS_AGENT_ID`: one agent's id, or several separated by commas. The first one places calls.
///
/// # Errors
/// [`NotConfigured`] when it is set and unreadable, or names none.
pub fn agents(settings: &impl Settings) -> Result<Agents, NotConfigured> {
    Ok(Agents(listed(settings, AGENT_ID)?))
}

/// The plan of the Cloudflare account. It limits the work of a reconciler run.
///
/// # Errors
/// [`NotConfigured`] when it is set to anything but `free` or `paid`.
pub fn plan(settings: &impl Settings) -> Result<Plan, NotConfigured> {
    let name = "CLOUDFLARE_PLAN";
    match optional(settings, name)?.as_deref() {
        None | Some("free") => Ok(Plan::Free),
        Some("paid") => Ok(Plan::Paid),
        Some(_) => Err(NotConfigured {
            name,
            fault: "must be free or paid",
        }),
    }
}

/// How long a call may be in progress before the reconciler asks ElevenLabs about it.
///
/// # Errors
/// [`NotConfigured`] when it is set to anything but a whole number of minutes above 0.
pub fn reconcile_after(settings: &impl Settings) -> Result<Duration, NotConfigured> {
    let minutes = whole_number(settings, "RECONCILE_AFTER_MINUTES")?;
    let minutes = minutes.unwrap_or(DEFAULT_RECONCILE_AFTER_MINUTES);
    Ok(Duration::from_secs(u64::from(minutes) * 60))
}

/// How long texts are kept. `None` keeps them forever.
///
/// # Errors
/// [`NotConfigured`] when it is set to anything but a whole number of days above 0.
pub fn retention(settings: &impl Settings) -> Result<Option<Duration>, NotConfigured> {
    let days = whole_number(settings, "RETENTION_DAYS")?;
    Ok(days.map(|days| Duration::from_secs(u64::from(days) * 24 * 60 * 60)))
}

/// Reads the settings for placing calls.
///
/// # Errors
/// [`NotConfigured`] for the first setting that is missing or unreadable.
pub fn placing(settings: &impl Settings) -> Result<Placing, NotConfigured> {
    Ok(Placing {
        access: access(settings)?,
        agent_id: first_agent(settings)?,
        phone_number_id: required(settings, "ELEVENLABS_PHONE_NUMBER_ID")?,
        telephony: telephony(settings)?,
    })
}

fn first_agent(settings: &impl Settings) -> Result<String, NotConfigured> {
    let first = listed(settings, AGENT_ID)?.into_iter().next();
    first.ok_or(NotConfigured {
        name: AGENT_ID,
        fault: "is not set",
    })
}

fn telephony(settings: &impl Settings) -> Result<Telephony, NotConfigured> {
    let name = "ELEVENLABS_TELEPHONY";
    match optional(settings, name)?.as_deref() {
        None | Some("twilio") => Ok(Telephony::Twilio),
        Some("sip-trunk") => Ok(Telephony::SipTrunk),
        Some(_) => Err(NotConfigured {
            name,
            fault: "must be twilio or sip-trunk",
        }),
    }
}

/// Reads the settings for ElevenLabs' API.
///
/// # Errors
/// [`NotConfigured`] for the first setting that is missing or unreadable.
pub fn access(settings: &impl Settings) -> Result<Access, NotConfigured> {
    Ok(Access {
        base_url: base_url(settings)?,
        timeout: timeout(settings)?,
        api_key: api_key(settings)?.ok_or(NotConfigured {
            name: API_KEY,
            fault: "is not set",
        })?,
    })
}

/// The key; `None` when it is not set.
fn api_key(settings: &impl Settings) -> Result<Option<String>, NotConfigured> {
    let key = optional(settings, API_KEY)?;
    if key.as_deref().is_some_and(|key| !is_key(key)) {
        return Err(NotConfigured {
            name: API_KEY,
            fault: "has a character that no key has: a line break, a blank, a letter that is not ASCII",
        });
    }
    Ok(key)
}

fn base_url(settings: &impl Settings) -> Result<String, NotConfigured> {
    let name = "ELEVENLABS_BASE_URL";
    let url = optional(settings, name)?.unwrap_or_else(|| DEFAULT_BASE_URL.to_owned());
    if !url.starts_with("https://") && !url.starts_with("http://") {
        let fault = "must start with https:// (or http:// on a laptop)";
        return Err(NotConfigured { name, fault });
    }
    if !is_base_url(&url) {
        let fault =
            "must be a host and perhaps a port and a path, such as https://api.elevenlabs.io";
        return Err(NotConfigured { name, fault });
    }
    Ok(url)
}

fn timeout(settings: &impl Settings) -> Result<Duration, NotConfigured> {
    let name = "ELEVENLABS_TIMEOUT_SECS";
    let seconds = whole_number(settings, name)?.unwrap_or(DEFAULT_TIMEOUT_SECS);
    if seconds > MAX_TIMEOUT_SECS {
        let fault = "must be at most 2147483 seconds, the longest that a timer can wait";
        return Err(NotConfigured { name, fault });
    }
    Ok(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::{Setting, Settings, agents, placing};
    use crate::model::Telephony;

    struct Given(Vec<(&'static str, &'static str)>);

    impl Settings for Given {
        fn get(&self, name: &str) -> Setting {
            let found = self.0.iter().rev().find(|(given, _)| *given == name);
            found.map_or(Setting::Unset, |(_, value)| {
                Setting::Text((*value).to_owned())
            })
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
    fn unset_settings_have_their_defaults() {
        let placing = placing(&given(&[])).ok().unwrap();
        assert_eq!(placing.access.base_url, "https://api.elevenlabs.io");
        assert_eq!(placing.access.timeout.as_secs(), 90);
        assert_eq!(placing.telephony, Telephony::Twilio);
    }

    #[test]
    fn the_longest_timeout_is_what_a_timer_holds() {
        let timeout = |secs| placing(&given(&[("ELEVENLABS_TIMEOUT_SECS", secs)]));
        let longest = timeout("2147483").ok().unwrap().access.timeout;
        assert!(longest.as_millis() <= 0x7fff_ffff);
        let fault = timeout("2147484").unwrap_err().to_string();
        assert!(fault.contains("at most 2147483 seconds"), "{fault}");
    }

    #[test]
    fn the_first_of_several_agents_places_calls_and_all_of_them_are_ours() {
        for (value, first) in [
            ("agent_a", "agent_a"),
            (" agent_b , agent_a,", "agent_b"),
            (",agent_a,agent_b", "agent_a"),
        ] {
            let settings = given(&[("ELEVENLABS_AGENT_ID", value)]);
            assert_eq!(placing(&settings).ok().unwrap().agent_id, first);
            let ours = agents(&settings).ok().unwrap();
            assert!(ours.may_own(Some("agent_a")) && ours.may_own(None));
            assert!(!ours.may_own(Some("agent_c")) && !ours.may_own(Some("")));
        }
        for unset in ["", ",", ", ,"] {
            let settings = given(&[("ELEVENLABS_AGENT_ID", unset)]);
            let ours = agents(&settings).unwrap_or_default();
            assert!(ours.may_own(Some("agent_c")));
            let fault = placing(&settings).err().unwrap();
            assert_eq!(fault.name, "ELEVENLABS_AGENT_ID");
        }
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
            ("ELEVENLABS_TIMEOUT_SECS", "2147484"),
            ("ELEVENLABS_BASE_URL", "api.elevenlabs.io"),
            ("ELEVENLABS_BASE_URL", "https:///v1"),
            ("ELEVENLABS_BASE_URL", "https://elevenlabs.test:99999"),
            ("ELEVENLABS_API_KEY", "sk_\nkey"),
        ] {
            let fault = placing(&given(&[(name, value)])).err().unwrap();
            assert_eq!(fault.name, name);
            assert!(value.is_empty() || !fault.to_string().contains(value));
        }
    }
}
