// A stand-in for ElevenLabs that accepts every call at once and does nothing else, so that placing calls measures the
// worker. (tests/simulator plays whole conversations; here that would be a second load.)
import { createServer } from "node:http";

export async function startElevenLabs() {
  let accepted = 0;
  const server = createServer((request, response) => {
    request.resume();
    request.once("end", () => {
      accepted += 1;
      response.setHeader("content-type", "application/json");
      response.end(
        JSON.stringify({
          success: true,
          message: "Call initiated",
          conversation_id: `conv_bench_${accepted}`,
          callSid: `CA${accepted}`,
        }),
      );
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: () => new Promise((done) => (server.closeAllConnections(), server.close(done))),
  };
}
