// A program with o.js (the npm package `odata`), which prints what it read as JSON.
//
//     node client_javascript.js ROOT TOKEN DELTA_LINK

const { o } = require("odata");

const [root, token, deltaLink] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}`, Prefer: "odata.maxpagesize=100" };
// without a fragment o.js gives whole pages, with their links
const pages = o(root, { headers, fragment: "" });
const rows = o(root, { headers });

async function everyPage(resource, query) {
  const found = [await pages.get(resource).query(query)];
  for (let link; (link = found.at(-1)["@odata.nextLink"]); ) {
    found.push(await pages.get(link).query());
  }
  return found;
}

const everyRow = async (...request) => (await everyPage(...request)).flatMap((page) => page.value);

async function main() {
  const events = await rows.get("dossier_event").query({ $top: 1 });
  const { dossier_id: id, event_seq: number } = events[0];
  const ids = async (query) => (await everyRow("dossier", { $select: "dossier_id", ...query })).map((row) => row.dossier_id);
  const counted = await pages.get("dossier").query({ $filter: "fee_vnd gt 0", $count: "true", $top: 0 });
  const found = {
    sets: (await rows.get("").query()).map((set) => set.name).sort(),
    rows: await everyRow("dossier", {}),
    processing: await ids({ $filter: "status eq 'processing'", $orderby: "fee_vnd desc" }),
    late: await ids({ $filter: "received_at ge 2026-08-05T00:00:00+07:00 and fee_vnd gt 0" }),
    either: await ids({ $filter: "fee_vnd eq 0 or startswith(channel,'on')" }),
    paid: counted["@odata.count"],
    selected: await rows.get("dossier").query({ $select: "dossier_id,status", $top: 5 }),
    named: (await everyRow("organisation_current", { $filter: "contains(name,'Cẩm')" })).map((row) => row.name),
    one: (await rows.get(`dossier('${id}')`).query()).dossier_id,
    event: (await rows.get(`dossier_event(dossier_id='${id}',event_seq=${number})`).query()).status,
  };
  const changes = await everyPage(deltaLink);
  found.changes = changes.flatMap((page) => page.value);
  found.next = changes.at(-1)["@odata.deltaLink"];
  console.log(JSON.stringify(found));
}

main();
