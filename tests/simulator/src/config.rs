//! The stand-in's settings.

use std::time::Duration;

/// What the stand-in checks requests against, where it posts, and how fast it plays.
#[derive(Debug, Clone)]
pub struct Config {
    /// The one `xi-api-key` that is accepted.
    pub api_key: String,
    /// The one agent that exists.
    pub agent_id: String,
    /// The one imported phone number that exists.
    pub phone_number_id: String,
    /// Where turns and events are posted, without a trailing slash. May be given later with `Simulator::set_worker_url`.
    pub worker_url: Option<String>,
    /// Bearer token sent with turns.
    pub webhook_token: Option<String>,
    /// Key of the events' signature. Without it, events go out unsigned.
    pub webhook_secret: Option<String>,
    /// Whether events follow a conversation by themselves.
    pub post_call_events: bool,
    /// Pause between two turns, and between the last turn and the event.
    pub pace: Duration,
    /// Pause between the answer of the outbound call and its first turn, so that the caller can store the answer.
    pub grace: Duration,
    /// How long the slow numbers keep the caller waiting.
    pub slow: Duration,
    /// Where the redirecting number leads; to the same address where this is not set.
    pub redirect_to: Option<String>,
    /// How long a SIP call rings: the SIP route answers only when somebody picks up.
    pub ring: Duration,
    /// How long the late event is held back.
    pub late: Duration,
    /// How often, and how patiently, a delivery is tried.
    pub retry: Retry,
    /// Receives one line per call and per delivery, never a message text and never more than a number's last four digits.
    pub narrator: Option<fn(&str)>,
}

/// Repeating a delivery that was answered 408, 429 or 5xx, or not at all.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// Attempts in all, at least one.
    pub tries: u32,
    /// Pause after the first attempt; doubled after each further one.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Config {
    /// Settings for a person watching: unhurried, with the names `make dev` uses.
    #[must_use]
    pub fn dev() -> Self {
        Self {
            api_key: "dev-elevenlabs-key".into(),
            agent_id: "agent_dev".into(),
            phone_number_id: "phnum_dev".into(),
            worker_url: None,
            webhook_token: None,
            webhook_secret: Some("wsec_dev".into()),
            post_call_events: true,
            pace: Duration::from_millis(700),
            grace: Duration::from_millis(700),
            slow: Duration::from_secs(120),
            redirect_to: None,
            ring: Duration::from_secs(2),
            late: Duration::from_secs(20),
            retry: Retry {
                tries: 8,
                first_pause: Duration::from_millis(250),
                longest_pause: Duration::from_secs(4),
            },
            narrator: None,
        }
    }

    /// Settings for tests: the same names, hardly any waiting.
    #[must_use]
    pub fn test() -> Self {
        Self {
            pace: Duration::ZERO,
            grace: Duration::from_millis(100),
            slow: Duration::from_secs(2),
            ring: Duration::from_millis(20),
            late: Duration::from_millis(300),
            retry: Retry {
                tries: 8,
                first_pause: Duration::from_millis(50),
                longest_pause: Duration::from_secs(1),
            },
            ..Self::dev()
        }
    }
}
