//! Reading conversations back.

use crate::{Answered, Stage, TWILIO, body};
use serde_json::{Value, json};

#[tokio::test]
async fn the_whole_conversation() {
    let stage = Stage::new().await;
    let read = stage.play("+15551234567").await;
    assert_eq!(
        (&read["agent_id"], &read["status"]),
        (&"agent_dev".into(), &"done".into())
    );
    assert_eq!(read["user_id"], "driver_7");
    let metadata = &read["metadata"];
    assert!(
        metadata["start_time_unix_secs"].is_i64() && metadata["accepted_time_unix_secs"].is_i64()
    );
    assert!(metadata["call_duration_secs"].as_i64().unwrap() > 10);
    let phone_call = &metadata["phone_call"];
    assert_eq!(
        (&phone_call["type"], &phone_call["direction"]),
        (&"twilio".into(), &"outbound".into())
    );
    assert_eq!(
        (&phone_call["external_number"], &phone_call["call_result"]),
        (&"+15551234567".into(), &"answered".into())
    );
    assert_eq!(read["analysis"]["call_successful"], "success");
    let variables = &read["conversation_initiation_client_data"]["dynamic_variables"];
    assert_eq!(
        (&variables["driver_id"], &variables["call_sid"]),
        (&7.into(), &"EL_7_2025-11-21T10:30:00Z".into())
    );
    assert_eq!(
        variables["system__conversation_id"],
        read["conversation_id"]
    );
    let item = &read["transcript"][1];
    assert_eq!(
        (&item["role"], &item["message"], &item["time_in_call_secs"]),
        (&"user".into(), &"Yes.".into(), &3.into())
    );
}

#[tokio::test]
async fn reading_can_fail() {
    let stage = Stage::new().await;
    for (number, code) in [
        ("+15550100214", (429, "rate_limit_exceeded")),
        ("+15550100215", (500, "internal_error")),
    ] {
        stage.call(number).await.unwrap();
        let path = format!("/v1/convai/conversations/{}", stage.last_conversation());
        assert_eq!(stage.get(&path).await.code(), code);
    }
}

async fn list(stage: &Stage, query: &str) -> Answered {
    stage
        .get(&format!("/v1/convai/conversations?{query}"))
        .await
}

/// Five calls, each with its own call_sid and user, and their conversations in that order.
async fn five() -> (Stage, Vec<String>) {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for driver in 1..=5 {
        let mut request = body("+15551234567");
        let data = &mut request["conversation_initiation_client_data"];
        data["user_id"] = json!(format!("driver_{driver}"));
        data["dynamic_variables"]["call_sid"] = json!(format!("EL_{driver}_2025-11-21T10:30:00Z"));
        data["dynamic_variables"]["driver_id"] = json!(driver);
        let answered = stage.post(TWILIO, request.to_string()).await.unwrap();
        ids.push(
            answered.json["conversation_id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    stage.simulator.wait_idle().await;
    (stage, ids)
}

fn ids(answered: &Answered) -> Vec<&str> {
    let items = answered.json["conversations"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["conversation_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn the_list_is_newest_first_and_filtered() {
    let (stage, five) = five().await;
    let newest_first: Vec<_> = five.iter().rev().map(String::as_str).collect();
    let all = list(&stage, "").await;
    assert_eq!(ids(&all), newest_first);
    assert_eq!(
        (&all.json["has_more"], &all.json["next_cursor"]),
        (&false.into(), &Value::Null)
    );
    let item = &all.json["conversations"][0];
    assert_eq!(
        (
            &item["status"],
            &item["message_count"],
            &item["call_successful"]
        ),
        (&"done".into(), &7.into(), &"success".into())
    );
    assert!(
        item.get("conversation_initiation_client_data").is_none() && item.get("metadata").is_none()
    );

    for (query, expected) in [
        ("user_id=driver_2", vec![1]),
        ("agent_id=agent_dev&user_id=driver_3", vec![2]),
        ("agent_id=other", vec![]),
        (
            "dynamic_variable_params=call_sid:eq:EL_4_2025-11-21T10:30:00Z",
            vec![3],
        ),
        (
            "dynamic_variable_params=call_sid%3Aeq%3AEL_4_2025-11-21T10%3A30%3A00Z",
            vec![3],
        ),
        (
            "dynamic_variable_params=driver_id:eq:5&dynamic_variable_params=driver_name:eq:Ada%20D%C3%ADaz",
            vec![4],
        ),
        (
            "dynamic_variable_params=driver_id:eq:5&dynamic_variable_params=driver_name:eq:Bob",
            vec![],
        ),
        (
            "dynamic_variable_params=driver_id:neq:1&user_id=driver_1",
            vec![],
        ),
        (
            "call_start_after_unix=1&call_start_before_unix=99999999999&user_id=driver_1",
            vec![0],
        ),
        ("call_start_after_unix=99999999999", vec![]),
        ("call_start_before_unix=1", vec![]),
    ] {
        let expected: Vec<&str> = expected
            .into_iter()
            .map(|place: usize| five[place].as_str())
            .collect();
        assert_eq!(ids(&list(&stage, query).await), expected, "{query}");
    }
}

#[tokio::test]
async fn the_list_comes_in_pages() {
    let (stage, five) = five().await;
    let mut query = "page_size=2".to_owned();
    let mut seen: Vec<String> = Vec::new();
    let mut pages = 0;
    loop {
        let page = list(&stage, &query).await;
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        pages += 1;
        let Some(cursor) = page.json["next_cursor"].as_str() else {
            assert_eq!(page.json["has_more"], false);
            break;
        };
        assert_eq!(page.json["has_more"], true);
        query = format!("page_size=2&cursor={cursor}");
    }
    assert_eq!((pages, seen), (3, five.into_iter().rev().collect()));
}

#[tokio::test]
async fn faults_of_the_query() {
    let stage = Stage::new().await;
    for query in [
        "page_size=0",
        "page_size=101",
        "page_size=x",
        "call_start_after_unix=yesterday",
        "cursor=x",
        "dynamic_variable_params=call_sid",
    ] {
        let answered = list(&stage, query).await;
        assert_eq!(answered.status, 422, "{query}");
        let name = query.split('=').next().unwrap();
        assert_eq!(answered.json["detail"][0]["loc"], json!(["query", name]));
    }
    assert_eq!(list(&stage, "page_size=100").await.status, 200);
}
