// The specification taken literally, as one would write it down from its text: one query for each of its sentences, one
// after the other. It too checks nothing but what the specification asks for, and logs nothing.

async function turn(request, env) {
  const { call_sid, speaker, message, timestamp } = await request.json();
  // "Look the call up by its call_sid."
  const call = await env.DB.prepare("SELECT * FROM calls WHERE call_sid = ?1").bind(call_sid).first();
  if (!call) return Response.json({ error: "unknown call_sid" }, { status: 400 });
  // "Take its conversation_id."
  const linked = await env.DB.prepare("SELECT conversation_id FROM calls WHERE id = ?1").bind(call.id).first();
  if (!linked.conversation_id) return Response.json({ error: "call has no conversation" }, { status: 400 });
  // "The sequence number is the count of its turns, plus one."
  const { count } = await env.DB.prepare("SELECT COUNT(*) AS count FROM call_transcriptions WHERE conversation_id = ?1")
    .bind(linked.conversation_id)
    .first();
  // "Store the turn."
  const { meta } = await env.DB.prepare(
    `INSERT INTO call_transcriptions
       (conversation_id, speaker_type, message_text, timestamp, sequence_number, created_at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
  )
    .bind(
      linked.conversation_id,
      speaker === "user" ? "driver" : speaker,
      message,
      new Date(timestamp).toISOString(),
      count + 1,
      new Date().toISOString(),
    )
    .run();
  return Response.json(
    {
      status: "success",
      message: `Transcription saved for call ${call_sid}`,
      call_sid,
      transcription_id: meta.last_row_id,
      sequence_number: count + 1,
    },
    { status: 201 },
  );
}

async function place(request, env) {
  const { timestamp, drivers } = await request.json();
  const calls = [];
  // "For each driver: record the call, phone ElevenLabs, store the conversation."
  for (const driver of drivers) {
    const callSid = `EL_${driver.driverId}_${timestamp}`;
    const now = new Date().toISOString();
    await env.DB.prepare(
      `INSERT INTO calls (call_sid, driver_id, call_start_time, status, created_at, updated_at)
       VALUES (?1, ?2, ?3, 'in_progress', ?3, ?3)`,
    )
      .bind(callSid, driver.driverId, now)
      .run();
    const response = await fetch(`${env.ELEVENLABS_BASE_URL}/v1/convai/twilio/outbound-call`, {
      method: "POST",
      headers: { "xi-api-key": env.ELEVENLABS_API_KEY, "content-type": "application/json" },
      body: JSON.stringify({
        agent_id: env.ELEVENLABS_AGENT_ID,
        agent_phone_number_id: env.ELEVENLABS_PHONE_NUMBER_ID,
        to_number: driver.phoneNumber,
        conversation_initiation_client_data: {
          user_id: callSid,
          dynamic_variables: { call_sid: callSid, driver_id: driver.driverId },
        },
      }),
    });
    const { conversation_id } = await response.json();
    await env.DB.prepare("UPDATE calls SET conversation_id = ?2, updated_at = ?3 WHERE call_sid = ?1")
      .bind(callSid, conversation_id, new Date().toISOString())
      .run();
    calls.push({
      call_sid: callSid,
      driver_id: driver.driverId,
      conversation_id,
      status: "in_progress",
      created: true,
    });
  }
  return Response.json({ timestamp, calls }, { status: 201 });
}

async function transcription(env, callSid) {
  const call = await env.DB.prepare("SELECT * FROM calls WHERE call_sid = ?1").bind(callSid).first();
  const { results } = await env.DB.prepare(
    `SELECT id AS transcription_id, sequence_number, speaker_type AS speaker, message_text AS message, timestamp
     FROM call_transcriptions WHERE conversation_id = ?1 ORDER BY sequence_number`,
  )
    .bind(call.conversation_id)
    .all();
  return Response.json({ call_sid: call.call_sid, conversation_id: call.conversation_id, turns: results });
}

const turnCount = (env, conversationId) =>
  env.DB.prepare("SELECT COUNT(*) AS turn_count FROM call_transcriptions WHERE conversation_id = ?1")
    .bind(conversationId)
    .first();

async function call(env, callSid) {
  const call = await env.DB.prepare("SELECT * FROM calls WHERE call_sid = ?1").bind(callSid).first();
  return Response.json({ ...call, ...(await turnCount(env, call.conversation_id)) });
}

async function list(env) {
  const { results } = await env.DB.prepare(
    `SELECT c.*, (SELECT COUNT(*) FROM call_transcriptions t WHERE t.conversation_id = c.conversation_id) AS turn_count
     FROM calls c ORDER BY c.call_start_time DESC LIMIT 50`,
  ).all();
  return Response.json({ calls: results, next_cursor: null });
}

async function health(env) {
  await env.DB.prepare("SELECT 1").first();
  return Response.json({ status: "ok" });
}

export default {
  fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/webhooks/elevenlabs/transcription") return turn(request, env);
    if (pathname === "/driver_data/call-elevenlabs") return place(request, env);
    if (pathname === "/calls") return list(env);
    if (pathname === "/health") return health(env);
    const [, , callSid, part] = pathname.split("/");
    return part ? transcription(env, decodeURIComponent(callSid)) : call(env, decodeURIComponent(callSid));
  },
};
