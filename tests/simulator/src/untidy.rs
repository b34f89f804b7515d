//! What a lenient reader of a conversation has to bear, all at once.

use serde_json::{Value, json};

/// Everything a lenient reader has to bear: fractions for whole numbers, nulls for lists and objects, tool calls without a message,
/// fields nobody announced.
pub(crate) fn make_untidy(shown: &mut Value) {
    let mut set = |pointer: &str, value: Value| {
        if let Some(place) = shown.pointer_mut(pointer) {
            *place = value;
        }
    };
    set("/metadata/cost", json!(70.0));
    set("/metadata/call_duration_secs", json!(23.5));
    set("/metadata/warnings", Value::Null);
    set("/metadata/phone_call/call_result", Value::Null);
    set(
        "/conversation_initiation_client_data/conversation_config_override",
        Value::Null,
    );
    set("/analysis/call_summary_title", Value::Null);
    set("/visited_agents", Value::Null);
    if let Some(metadata) = shown
        .pointer_mut("/metadata")
        .and_then(Value::as_object_mut)
    {
        metadata.insert("weather_at_callee".into(), json!({ "sky": "clear" }));
    }
    let Some(items) = shown
        .pointer_mut("/transcript")
        .and_then(Value::as_array_mut)
    else {
        return;
    };
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        let secs = item
            .get("time_in_call_secs")
            .and_then(Value::as_f64)
            .unwrap_or_default();
        item.insert("time_in_call_secs".into(), json!(secs + 0.75));
        item.insert("tool_calls".into(), Value::Null);
        item.insert("tool_results".into(), Value::Null);
        item.insert("agent_metadata".into(), Value::Null);
        item.insert("tone".into(), json!(["calm", 0.9]));
        item.insert(
            "conversation_turn_metrics".into(),
            json!({ "metrics": { "ttfb": { "elapsed_time": 0.39 } } }),
        );
    }
    let tool_call = |secs: f64, name: &str| {
        json!({
            "role": "agent", "message": null, "time_in_call_secs": secs, "interrupted": null,
            "tool_calls": [{ "type": "system", "request_id": "tool_1", "tool_name": name,
                "params_as_json": "{}", "tool_has_been_called": true, "tool_details": null }],
        })
    };
    let middle = items.len() / 2;
    items.insert(middle, tool_call(9.5, "language_detection"));
    items.push(tool_call(22.25, "end_call"));
}
