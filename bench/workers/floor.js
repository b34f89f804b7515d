// The floor: the least a JavaScript worker can do and still do it. It sends the same statements as the built worker (they
// are taken off the wire when the benchmark begins, see run.mjs), checks nothing, logs nothing, asks nobody for a token,
// and answers. What is faster than this has left something out.
import statements from "./statements.js";

const NEWEST = statements.list?.[0]?.[0];

async function turn(request, env) {
  const body = await request.json();
  const { results } = await env.DB.prepare(statements.turn[0][0])
    .bind(
      body.call_sid,
      body.speaker === "user" ? "driver" : "agent",
      body.message,
      body.timestamp,
      new Date().toISOString(),
      body.conversation_id ?? null,
      0,
    )
    .all();
  return Response.json(
    {
      status: "success",
      message: `Transcription saved for call ${body.call_sid}`,
      call_sid: body.call_sid,
      transcription_id: results[0].transcription_id,
      sequence_number: results[0].sequence_number,
    },
    { status: 201 },
  );
}

async function dial(env, driver, callSid) {
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
  return response.json();
}

async function place(request, env) {
  const { timestamp, drivers } = await request.json();
  const token = crypto.randomUUID();
  const now = new Date().toISOString();
  const list = JSON.stringify(drivers.map((driver) => [`EL_${driver.driverId}_${timestamp}`, driver.driverId]));
  const [insert, select] = statements.place[0];
  const [takeBack, update] = statements.place[1];
  const [, recorded] = await env.DB.batch([
    env.DB.prepare(insert).bind(list, now, token),
    env.DB.prepare(select).bind(list),
  ]);
  const calls = await Promise.all(
    drivers.map(async (driver, index) => {
      const callSid = recorded.results[index].call_sid;
      const accepted = await dial(env, driver, callSid);
      const [, updated] = await env.DB.batch([
        env.DB.prepare(takeBack).bind(callSid, token),
        env.DB.prepare(update).bind(
          callSid,
          token,
          accepted.conversation_id,
          accepted.callSid ?? null,
          new Date().toISOString(),
        ),
      ]);
      const { conversation_id, status } = updated.results[0];
      return { call_sid: callSid, driver_id: driver.driverId, conversation_id, status, created: true };
    }),
  );
  return Response.json({ timestamp, calls }, { status: 201 });
}

async function transcription(env, callSid) {
  const [heading, turns] = await env.DB.batch(statements.transcription[0].map((sql) => env.DB.prepare(sql).bind(callSid)));
  const { call_sid, conversation_id } = heading.results[0];
  return Response.json({ call_sid, conversation_id, turns: turns.results });
}

async function call(env, callSid) {
  const { results } = await env.DB.prepare(statements.call[0][0]).bind(callSid).all();
  return Response.json(results[0]);
}

async function list(env) {
  const { results } = await env.DB.prepare(NEWEST).bind(51).all();
  return Response.json({ calls: results.slice(0, 50), next_cursor: null });
}

async function health(env) {
  const { results } = await env.DB.prepare(statements.health[0][0]).all();
  return Response.json({ status: "ok", database: results[0] });
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
