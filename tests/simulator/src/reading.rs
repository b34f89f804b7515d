//! Reading conversations back: one by its id, and the filtered list.

use crate::answers::{self, Answer};
use crate::behaviour::Reading;
use crate::conversation::Conversation;
use crate::world::World;
use crate::{refusals, render};
use hyper::StatusCode;
use serde_json::{Value, json};

/// `GET /v1/convai/conversations/{id}`
pub(crate) fn one(world: &World, id: &str) -> Answer {
    let Some(conversation) = world.conversation(id) else {
        return answers::not_found("conversation");
    };
    match conversation.behaviour.reading {
        Reading::Works => {
            answers::json_answer(StatusCode::OK, &render::conversation(&conversation))
        }
        Reading::ServerError => refusals::internal_error(),
        Reading::TooManyRequests => answers::error(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_error",
            "rate_limit_exceeded",
            "Too many requests.",
        ),
    }
}

/// `GET /v1/convai/conversations`, newest first.
pub(crate) fn list(world: &World, query: &str) -> Answer {
    let filter = match Filter::parse(query) {
        Ok(filter) => filter,
        Err(faults) => return answers::faults(faults),
    };
    let books = world.books();
    let mut found: Vec<&Conversation> = books
        .conversations
        .iter()
        .filter(|conversation| filter.keeps(conversation))
        .collect();
    // Creation order is start order, so the sequence alone says which is newer.
    found.reverse();
    let has_more = found.len() > filter.page_size;
    found.truncate(filter.page_size);
    let next_cursor = found
        .last()
        .filter(|_| has_more)
        .map(|last| format!("before-{}", last.seq));
    let page = json!({
        "conversations": found.into_iter().map(render::summary).collect::<Vec<_>>(),
        "next_cursor": next_cursor,
        "has_more": has_more,
    });
    answers::json_answer(StatusCode::OK, &page)
}

/// What the list is asked for.
#[derive(Default)]
struct Filter {
    agent_id: Option<String>,
    user_id: Option<String>,
    started_from: Option<i64>,
    started_until: Option<i64>,
    page_size: usize,
    /// Only conversations created before this one.
    before: Option<usize>,
    variables: Vec<VariableFilter>,
}

/// `name:op:value`
struct VariableFilter {
    name: String,
    equal: bool,
    value: String,
}

impl Filter {
    fn parse(query: &str) -> Result<Self, Vec<Value>> {
        let mut filter = Self {
            page_size: 30,
            ..Self::default()
        };
        let mut faults = Vec::new();
        // The client library's URL type decodes the query; its host is of no interest.
        let pairs = reqwest::Url::parse(&format!("http://list.invalid/?{query}"));
        for (name, value) in pairs.iter().flat_map(reqwest::Url::query_pairs) {
            let mut whole_number = || {
                value
                    .parse::<i64>()
                    .map_err(|_| faults.push(fault("int_parsing", &name, NOT_WHOLE, &value)))
                    .ok()
            };
            match name.as_ref() {
                "agent_id" => filter.agent_id = Some(value.into_owned()),
                "user_id" => filter.user_id = Some(value.into_owned()),
                "call_start_after_unix" => filter.started_from = whole_number(),
                "call_start_before_unix" => filter.started_until = whole_number(),
                "page_size" => match whole_number().map(usize::try_from) {
                    Some(Ok(size @ 1..=100)) => filter.page_size = size,
                    Some(_) => faults.push(fault(
                        "value_error",
                        &name,
                        "Input should be from 1 to 100",
                        &value,
                    )),
                    None => {}
                },
                "cursor" => match value.strip_prefix("before-").map(str::parse) {
                    Some(Ok(seq)) => filter.before = Some(seq),
                    _ => faults.push(fault(
                        "value_error",
                        &name,
                        "Value error, not a cursor of this list",
                        &value,
                    )),
                },
                "dynamic_variable_params" => match VariableFilter::parse(&value) {
                    Some(variable) => filter.variables.push(variable),
                    None => faults.push(fault("value_error", &name, NOT_A_VARIABLE_FILTER, &value)),
                },
                _ => {}
            }
        }
        if faults.is_empty() {
            Ok(filter)
        } else {
            Err(faults)
        }
    }

    fn keeps(&self, conversation: &Conversation) -> bool {
        let started = conversation.started_at.timestamp();
        self.agent_id
            .as_ref()
            .is_none_or(|id| *id == conversation.agent_id)
            && self
                .user_id
                .as_ref()
                .is_none_or(|id| conversation.user_id.as_ref() == Some(id))
            && self.started_from.is_none_or(|from| started >= from)
            && self.started_until.is_none_or(|until| started <= until)
            && self.before.is_none_or(|before| conversation.seq < before)
            && self
                .variables
                .iter()
                .all(|variable| variable.keeps(conversation))
    }
}

impl VariableFilter {
    /// A name cannot contain a colon; the value can. An empty value asks for a variable that is not set.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (name, op, value) = (parts.next()?, parts.next()?, parts.next()?);
        matches!(op, "eq" | "neq").then(|| Self {
            name: name.into(),
            equal: op == "eq",
            value: value.into(),
        })
    }

    fn keeps(&self, conversation: &Conversation) -> bool {
        let actual = match conversation.dynamic_variables.get(&self.name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        (actual == self.value) == self.equal
    }
}

fn fault(kind: &str, name: &str, msg: &str, input: &str) -> Value {
    json!({ "type": kind, "loc": ["query", name], "msg": msg, "input": input })
}

const NOT_WHOLE: &str = "Input should be a valid integer, unable to parse string as an integer";
const NOT_A_VARIABLE_FILTER: &str =
    "Value error, the stand-in knows name:eq:value and name:neq:value";
