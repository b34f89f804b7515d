//! The program's arguments.

use elevenlabs_simulator::Config;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// What the program is asked to do.
pub enum Command {
    Help,
    Numbers,
    Run(Box<Options>),
}

/// How to run.
pub struct Options {
    pub port: u16,
    pub ready_file: Option<PathBuf>,
    pub config: Config,
}

/// An option that takes a value: its name, what it means, and what its value does.
struct Setting {
    name: &'static str,
    meaning: &'static str,
    apply: fn(&mut Options, &str) -> Result<(), String>,
}

const fn setting(
    name: &'static str,
    meaning: &'static str,
    apply: fn(&mut Options, &str) -> Result<(), String>,
) -> Setting {
    Setting {
        name,
        meaning,
        apply,
    }
}

const SETTINGS: &[Setting] = &[
    setting("port", "port on 127.0.0.1 (8790)", |options, value| {
        options.port = value
            .parse()
            .map_err(|_| format!("{value:?} is not a port"))?;
        Ok(())
    }),
    setting(
        "worker-url",
        "where turns and events are posted (http://127.0.0.1:8787)",
        |options, value| {
            options.config.worker_url = Some(value.trim_end_matches('/').to_owned());
            Ok(())
        },
    ),
    setting(
        "api-key",
        "the key that is accepted (dev-elevenlabs-key)",
        |options, value| {
            options.config.api_key = value.into();
            Ok(())
        },
    ),
    setting(
        "agent-id",
        "the agent that exists (agent_dev)",
        |options, value| {
            options.config.agent_id = value.into();
            Ok(())
        },
    ),
    setting(
        "phone-number-id",
        "the phone number that exists (phnum_dev)",
        |options, value| {
            options.config.phone_number_id = value.into();
            Ok(())
        },
    ),
    setting(
        "webhook-token",
        "bearer token sent with turns (none)",
        |options, value| {
            options.config.webhook_token = Some(value.to_owned()).filter(|token| !token.is_empty());
            Ok(())
        },
    ),
    setting(
        "webhook-secret",
        "key of the events' signature; empty for unsigned (wsec_dev)",
        |options, value| {
            options.config.webhook_secret =
                Some(value.to_owned()).filter(|secret| !secret.is_empty());
            Ok(())
        },
    ),
    setting("pace-ms", "pause between turns (700)", |options, value| {
        milliseconds(value).map(|pace| options.config.pace = pace)
    }),
    setting(
        "grace-ms",
        "pause between the answer and the first turn (700)",
        |options, value| milliseconds(value).map(|grace| options.config.grace = grace),
    ),
    setting(
        "slow-ms",
        "how long the slow numbers wait before answering (120000)",
        |options, value| milliseconds(value).map(|slow| options.config.slow = slow),
    ),
    setting(
        "ring-ms",
        "how long a SIP call rings before it is answered (2000)",
        |options, value| milliseconds(value).map(|ring| options.config.ring = ring),
    ),
    setting(
        "late-ms",
        "how long the late event is held back (20000)",
        |options, value| milliseconds(value).map(|late| options.config.late = late),
    ),
    setting(
        "ready-file",
        "file to write the address into once listening (none)",
        |options, value| {
            options.ready_file = Some(value.into());
            Ok(())
        },
    ),
];

fn milliseconds(value: &str) -> Result<Duration, String> {
    let number = value
        .parse()
        .map_err(|_| format!("{value:?} is not a number of milliseconds"))?;
    Ok(Duration::from_millis(number))
}

/// Reads the environment (`SIMULATOR_PORT` for `--port`, and so on), then the arguments, which win.
pub fn parse(
    arguments: impl IntoIterator<Item = String>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Command, String> {
    let mut options = Options {
        port: 8790,
        ready_file: None,
        config: Config {
            worker_url: Some("http://127.0.0.1:8787".into()),
            narrator: Some(crate::say),
            ..Config::dev()
        },
    };
    for setting in SETTINGS {
        let name = variable(setting.name);
        if let Some(value) = environment(&name) {
            (setting.apply)(&mut options, &value)
                .map_err(|problem| format!("{name}: {problem}"))?;
        }
    }
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--numbers" => return Ok(Command::Numbers),
            "--no-events" => options.config.post_call_events = false,
            _ => {
                let (name, inline) = match argument.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (argument.as_str(), None),
                };
                let setting = SETTINGS
                    .iter()
                    .find(|setting| name.strip_prefix("--") == Some(setting.name))
                    .ok_or_else(|| format!("unknown argument {name:?}"))?;
                let value = inline
                    .or_else(|| arguments.next())
                    .ok_or_else(|| format!("{name} needs a value"))?;
                (setting.apply)(&mut options, &value)
                    .map_err(|problem| format!("{name}: {problem}"))?;
            }
        }
    }
    Ok(Command::Run(Box::new(options)))
}

fn variable(name: &str) -> String {
    format!("SIMULATOR_{}", name.replace('-', "_").to_uppercase())
}

/// The help text.
pub fn help() -> String {
    let mut text = String::from(
        "A stand-in for the ElevenLabs voice-agent API on loopback.\n\n\
         Options; each can also be set as SIMULATOR_<NAME> in the environment:\n",
    );
    for setting in SETTINGS {
        let _ = writeln!(text, "  --{:<16} {}", setting.name, setting.meaning);
    }
    text += "  --no-events        post no event after a call\n  \
             --numbers          print what each telephone number does, and end\n  \
             --help             print this, and end";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Options, String> {
        let find = |name: &str| {
            environment
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        match parse(
            arguments.iter().map(|argument| (*argument).to_owned()),
            find,
        )? {
            Command::Run(options) => Ok(*options),
            _ => Err("not a run".into()),
        }
    }

    #[test]
    fn arguments_win_over_the_environment() {
        let options = run(
            &["--port", "1", "--worker-url=http://w/"],
            &[("SIMULATOR_PORT", "2"), ("SIMULATOR_PACE_MS", "5")],
        );
        let options = options.unwrap();
        assert_eq!(options.port, 1);
        assert_eq!(options.config.worker_url.as_deref(), Some("http://w"));
        assert_eq!(options.config.pace, Duration::from_millis(5));
        assert_eq!(options.config.api_key, "dev-elevenlabs-key");
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            run(&["--prot", "1"], &[]).err().unwrap(),
            "unknown argument \"--prot\""
        );
        assert_eq!(run(&["--port"], &[]).err().unwrap(), "--port needs a value");
        assert_eq!(
            run(&["--port", "x"], &[]).err().unwrap(),
            "--port: \"x\" is not a port"
        );
    }

    #[test]
    fn help_names_every_setting() {
        let help = help();
        assert!(
            SETTINGS
                .iter()
                .all(|setting| help.contains(&format!("--{}", setting.name)))
        );
    }
}
