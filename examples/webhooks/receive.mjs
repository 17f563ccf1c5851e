#!/usr/bin/env node
// A receiver of maild's webhooks for Node 18 and later, without packages.
//
// It verifies each event's signature, throws away what came before, fetches the mail by the API, and prints a line of JSON.
//
//     WEBHOOK_SECRET=whsec_…  MAILD_URL=http://127.0.0.1:8025  MAILD_TOKEN=maild_…  ./receive.mjs 9000

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const secret = Buffer.from(process.env.WEBHOOK_SECRET.replace(/^whsec_/, ""), "base64");
const { MAILD_URL, MAILD_TOKEN } = process.env;
const TOLERANCE_S = 300;
const NOT_OURS = [403, 404, 410]; // We may not see the mail, or it is gone: to ask again would not help.
const BODY_MAX = 1024 * 1024;
const seen = new Set(); // In earnest: a table with a unique column, written in the same transaction as the work.

function isGenuine(id, timestamp, signatures, body) {
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_S) return false;
  const ours = createHmac("sha256", secret).update(`${id}.${timestamp}.`).update(body).digest();
  // During a rotation there are two signatures: one that fits is enough.
  return signatures.split(" ").some((one) => {
    const [version, text = ""] = one.split(",");
    const theirs = Buffer.from(text, "base64");
    return version === "v1" && theirs.length === ours.length && timingSafeEqual(theirs, ours);
  });
}

async function fetchMail(id) {
  // What we may see is decided there, and now.
  const answer = await fetch(`${MAILD_URL}/api/v1/mails/${id}`, {
    headers: { Authorization: `Bearer ${MAILD_TOKEN}` },
  });
  if (NOT_OURS.includes(answer.status)) return { subject: null };
  if (!answer.ok) throw new Error(`maild answered ${answer.status}`);
  return answer.json();
}

async function tell(event) {
  const mail = event.data.mail;
  const subject = mail ? (await fetchMail(mail)).subject : null;
  console.log(JSON.stringify({ type: event.type, mail, subject }));
}

async function take(request) {
  const pieces = [];
  let length = 0;
  for await (const piece of request) {
    length += piece.length;
    if (length > BODY_MAX) return 413;
    pieces.push(piece);
  }
  const body = Buffer.concat(pieces);
  const [id, timestamp, signatures] = ["id", "timestamp", "signature"].map(
    (name) => request.headers[`webhook-${name}`] ?? "",
  );
  if (!isGenuine(id, timestamp, signatures, body)) return 401;
  if (!seen.has(id)) {
    // At least once means: now and then twice.
    await tell(JSON.parse(body));
    seen.add(id);
  }
  return 204;
}

createServer(async (request, response) => {
  const status = await take(request).catch(() => 500); // 500: maild sends it again.
  response.writeHead(status).end();
}).listen(Number(process.argv[2]), "127.0.0.1");
