//! Holds an exchange to what `openapi.json` says of it.

use std::cell::RefCell;
use std::collections::HashMap;

use call_ledger::http::{Answer, Incoming};
use jsonschema::Validator;
use serde_json::{Value, json};

use super::world::TestRequest;

thread_local! {
    static DOCUMENT: Value = call_ledger::http::openapi::document();
    static VALIDATORS: RefCell<HashMap<String, Validator>> = RefCell::default();
}

/// What is wrong with this value under the schema at this pointer of the document.
pub fn faults_at(pointer: &str, value: &Value) -> Vec<String> {
    VALIDATORS.with_borrow_mut(|validators| {
        let validator = validators.entry(pointer.to_owned()).or_insert_with(|| {
            DOCUMENT.with(|document| {
                assert!(document.pointer(pointer).is_some(), "{pointer}");
                let schema = json!({
                    "$schema": "https://json-schema.org/draft/2020-12/schema",
                    "$ref": format!("#{pointer}").replace('{', "%7B").replace('}', "%7D"),
                    "components": document["components"],
                    "paths": document["paths"],
                });
                jsonschema::validator_for(&schema).unwrap()
            })
        });
        let errors = validator.iter_errors(value);
        errors
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect()
    })
}

/// `/` and `~` as a JSON pointer has them.
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The pattern of the document that this path fits.
fn pattern(document: &Value, path: &str) -> Option<String> {
    let fits = |pattern: &str| {
        let (pattern, path): (Vec<_>, Vec<_>) =
            (pattern.split('/').collect(), path.split('/').collect());
        pattern.len() == path.len()
            && pattern.iter().zip(&path).all(|(pattern, segment)| {
                pattern == segment || (pattern.starts_with('{') && !segment.is_empty())
            })
    };
    let mut patterns = document["paths"].as_object().unwrap().keys();
    patterns.find(|pattern| fits(pattern)).cloned()
}

/// Fails where the answer to this request is not one that the document tells of.
pub fn assert_described(request: &TestRequest, answer: &Answer) {
    let (path, method) = (request.path(), request.method().to_ascii_lowercase());
    let body = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    let told = format!("{method} {path}: {} {}", answer.status, answer.body);
    let Some((pattern, operation)) = DOCUMENT.with(|document| {
        let pattern = pattern(document, &path)?;
        let methods = &document["paths"][&pattern];
        // What a wrong method is answered stands beside the right ones.
        let method = [&*method, "get", "post"]
            .into_iter()
            .find(|name| methods.get(name).is_some());
        let method = if answer.status == 405 && method == Some("head") {
            Some("get")
        } else {
            method
        };
        Some((pattern, method.unwrap().to_owned()))
    }) else {
        assert_eq!(answer.status, 404, "{told}");
        return;
    };
    let mut pointer = format!(
        "/paths/{}/{operation}/responses/{}",
        escaped(&pattern),
        answer.status
    );
    DOCUMENT.with(|document| {
        if document.pointer(&pointer).is_none() && operation == "head" {
            let class = format!("/{}XX", answer.status / 100);
            pointer.truncate(pointer.rfind('/').unwrap());
            pointer.push_str(&class);
        }
        let mut response = document
            .pointer(&pointer)
            .unwrap_or_else(|| panic!("not in openapi.json: {told}"));
        if let Some(reference) = response["$ref"].as_str() {
            pointer = reference.trim_start_matches('#').to_owned();
            response = document.pointer(&pointer).unwrap();
        }
        let header = |name: &str| {
            let mut headers = answer.headers.iter();
            let found = headers.find(|(given, _)| given.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_str())
        };
        for (name, described) in response["headers"].as_object().unwrap() {
            let wanted = described["required"] == true || described.get("$ref").is_some();
            assert!(!wanted || header(name).is_some(), "no {name}: {told}");
            if let Some(value) = described["schema"].get("const") {
                assert!(
                    header(name).is_none() || header(name) == value.as_str(),
                    "{name}: {told}"
                );
            }
        }
        if request.method == "HEAD" {
            return assert_eq!(answer.body, "", "{told}");
        }
        let media_type = header("content-type").unwrap().split(';').next().unwrap();
        let content = &response["content"][media_type];
        assert!(
            content.is_object(),
            "{media_type} is not in openapi.json: {told}"
        );
        if media_type.ends_with("json") {
            let pointer = format!("{pointer}/content/{}/schema", escaped(media_type));
            let faults = faults_at(&pointer, &body);
            assert!(faults.is_empty(), "{faults:?}: {told}");
        }
    });
}
