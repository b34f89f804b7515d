//! What is configured in the world of a seed, and in which type it is written: as text, as a number
//! without quotes, or as something that cannot be read.

use call_ledger::model::UtcTime;
use call_ledger::platform::config::{Setting, Settings};

use super::executor::Executor;
use super::world::{API_TOKEN, SECRET, START, Shared, World, cron};

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
/// Texts are kept for so many days, where there is a rule.
const RETENTION_DAYS: u32 = 30;
/// The turn route's token, where there is one.
const WEBHOOK_TOKEN: u32 = 20_251_121;

/// How a whole number is written into the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    /// Not at all.
    Unset,
    Text,
    Number,
    /// A boolean or a table, of which the runtime gives no text.
    Other,
}

impl Written {
    fn setting(self, number: u32) -> Setting {
        match self {
            Self::Unset => Setting::Unset,
            Self::Text => Setting::Text(number.to_string()),
            Self::Number => Setting::from_number(number.into()),
            Self::Other => Setting::Unreadable,
        }
    }
}

/// What is configured. A call may be given up while its dial is open.
#[derive(Debug, Clone, Copy)]
pub struct SimSettings {
    /// Whether the reconciler waits for longer than any dial may take.
    patient: bool,
    /// Whether a dial may take long.
    slow: bool,
    webhook_token: Written,
    retention_days: Written,
    /// `CLOUDFLARE_PLAN`.
    plan: Option<&'static str>,
}

impl SimSettings {
    pub fn new(executor: &Executor) -> Self {
        Self {
            patient: executor.chance(500),
            slow: executor.chance(500),
            // Mostly none: then strangers may post turns.
            webhook_token: match executor.below(8) {
                0 => Written::Text,
                1 => Written::Number,
                2 => Written::Other,
                _ => Written::Unset,
            },
            retention_days: match executor.below(4) {
                0 => Written::Text,
                1 => Written::Number,
                2 => Written::Other,
                _ => Written::Unset,
            },
            plan: [None, Some("free"), Some("paid")][usize::try_from(executor.below(3)).unwrap()],
        }
    }

    /// How long a dial may take, in milliseconds.
    pub fn timeout_ms(self) -> u64 {
        if self.slow { 90_000 } else { 20_000 }
    }

    /// Whether texts of the beginning are too old at this time.
    pub fn clears_at(self, now: UtcTime) -> bool {
        let age = now.as_millis() - UtcTime::parse(START).unwrap().as_millis();
        matches!(self.retention_days, Written::Text | Written::Number)
            && age.unsigned_abs() > u64::from(RETENTION_DAYS) * DAY
    }

    /// The header that ElevenLabs' agent sends with a turn: the token as its people wrote it down.
    pub fn agent_headers(self) -> Vec<(&'static str, String)> {
        match self.webhook_token {
            Written::Unset => Vec::new(),
            _ => vec![("authorization", format!("Bearer {WEBHOOK_TOKEN}"))],
        }
    }

    /// Whether the turn route may answer the agent, or a stranger, with this status.
    pub fn may_answer(self, status: u16, stranger: bool) -> bool {
        match self.webhook_token {
            Written::Unset => true,
            Written::Text | Written::Number => !stranger || status == 401,
            Written::Other => status == 503,
        }
    }
}

impl Settings for SimSettings {
    fn get(&self, name: &str) -> Setting {
        let value = match name {
            "API_TOKEN" => API_TOKEN,
            "CLOUDFLARE_PLAN" => match self.plan {
                Some(plan) => plan,
                None => return Setting::Unset,
            },
            "ELEVENLABS_API_KEY" => "key",
            "ELEVENLABS_AGENT_ID" => "agent",
            "ELEVENLABS_PHONE_NUMBER_ID" => "phnum",
            "ELEVENLABS_WEBHOOK_SECRET" => SECRET,
            "ELEVENLABS_BASE_URL" => "http://elevenlabs.sim",
            "ELEVENLABS_TIMEOUT_SECS" if self.slow => "90",
            "ELEVENLABS_TIMEOUT_SECS" => "20",
            "RECONCILE_AFTER_MINUTES" if self.patient => "15",
            "RECONCILE_AFTER_MINUTES" => "1",
            "WEBHOOK_TOKEN" => return self.webhook_token.setting(WEBHOOK_TOKEN),
            "RETENTION_DAYS" => return self.retention_days.setting(RETENTION_DAYS),
            _ => return Setting::Unset,
        };
        Setting::Text(value.to_owned())
    }
}

/// Texts go when their time has come, if there is a rule. One that cannot be read is not taken for
/// none: every run says so.
pub async fn when_texts_are_old(world: &Shared) {
    let before = texts(world);
    world
        .executor
        .delay(u64::from(RETENTION_DAYS + 1) * DAY)
        .await;
    for _ in 0..3 {
        cron(world).await;
        world.executor.delay(5 * MINUTE).await;
    }
    let left = match world.settings.retention_days {
        Written::Text | Written::Number => 0,
        Written::Unset | Written::Other => before,
    };
    let found = texts(world);
    if found != left {
        let what = format!("retention: {found} texts are left, not {left}");
        world.watch.violated(world, what);
    }
    let trace = world.trace.borrow();
    let last = trace
        .iter()
        .rfind(|line| line.contains("\"event\":\"reconcile\""));
    let named = last.is_some_and(|line| line.contains("RETENTION_DAYS"));
    drop(trace);
    if named != (world.settings.retention_days == Written::Other) {
        let what = format!("retention: that the rule cannot be read is logged: {named}");
        world.watch.violated(world, what);
    }
}

fn texts(world: &World) -> i64 {
    let count = "SELECT (SELECT COUNT(*) FROM call_transcriptions WHERE message_text <> '') \
        + (SELECT COUNT(*) FROM calls WHERE summary IS NOT NULL)";
    world.database.value(count).as_i64().unwrap()
}
