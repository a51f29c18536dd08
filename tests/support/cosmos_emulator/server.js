// Serves @vercel/cosmosdb-server over HTTPS and mends what it answers differently from Azure Cosmos DB.
//
//     node server.js PORT CERTIFICATE_FILE KEY_FILE
//
// Data lives in memory. The process ends when its standard input does, so it never outlives who started it.

"use strict";

const { readFileSync } = require("fs");

const handlers = "@vercel/cosmosdb-server/lib/handler";
const bodyOf = require("@vercel/cosmosdb-server/lib/json").default;

// The routes take each handler when they are first loaded: a handler must be mended before the server is required.
function mend(name, withOriginal) {
  const module = require(`${handlers}/${name}`);
  const original = module.default;
  module.default = async (account, req, res, params) => withOriginal(original, account, req, res, params);
}

// Azure: 404 with sub-status 1003 when the database or the container is missing. The original: 500.
function inContainer(answer) {
  return async (original, account, req, res, params) => {
    if (account.database(params.dbId).collection(params.collId).read()) {
      return answer(original, account, req, res, params);
    }
    res.setHeader("x-ms-substatus", "1003");
    return notFound(res, "Owner resource does not exist");
  };
}

function notFound(res, message) {
  res.statusCode = 404;
  return { code: "NotFound", message };
}

const partitionKey = req => JSON.parse(req.headers["x-ms-documentdb-partitionkey"])[0];

const unchanged = (original, account, req, res, params) => original(account, req, res, params);

mend("create-document", inContainer(unchanged));
mend("replace-document", inContainer(unchanged));
mend("upsert-document", inContainer(unchanged));
mend("patch-document", inContainer(unchanged));
mend("delete-document", inContainer(unchanged));

// Azure: 404 for an item that the partition does not hold. The original: 400 or 500.
mend("read-document", inContainer((original, account, req, res, params) => {
  const container = account.database(params.dbId).collection(params.collId);
  const item = container.document(params.docId, partitionKey(req)).read();
  return item ? original(account, req, res, params) : notFound(res, "Resource Not Found");
}));

// Azure: a query sees only the partition that its header names. The original: all partitions.
mend("query-documents", inContainer((original, account, req, res, params) => {
  if (!req.headers["x-ms-documentdb-partitionkey"]) return original(account, req, res, params);
  const container = account.database(params.dbId).collection(params.collId);
  const view = { read: () => container.read(), documents: partitionOf(container.documents, partitionKey(req)) };
  return original({ database: () => ({ collection: () => view }) }, req, res, params);
}));

// Azure: a batch of at most 100 operations is carried out as a whole or not at all. The original: one after the other.
mend("batch-documents", inContainer(async (original, account, req, res, params) => {
  const operations = await bodyOf(req);
  const container = account.database(params.dbId).collection(params.collId);
  if (operations.length > 100 || operations.some(one => !["Create", "Replace"].includes(one.operationType))) {
    res.statusCode = 400;
    return { message: "A batch here has at most 100 operations, which create or replace." };
  }
  const ids = operations.map(one => one.resourceBody.id);
  const held = id => container.document(id, partitionKey(req)).read();
  const refusals = operations.map((one, at) => {
    const found = held(ids[at]);
    const isChanged = ids.indexOf(ids[at]) < at;
    if (one.operationType === "Create") return found || isChanged ? 409 : 0;
    if (!found) return 404;
    return isChanged || (one.ifMatch && one.ifMatch !== found._etag) ? 412 : 0;
  });
  const refused = refusals.findIndex(Boolean);
  if (refused >= 0) {
    res.statusCode = 207;
    return ids.map((_, at) => ({ statusCode: at === refused ? refusals[at] : 424, requestCharge: 0 }));
  }
  return operations.map(({ operationType, resourceBody }) => operationType === "Create"
    ? { statusCode: 201, resourceBody: container.documents.create(resourceBody) }
    : { statusCode: 200, resourceBody: container.documents.replace(resourceBody, held(resourceBody.id)) });
}));

function partitionOf(documents, key) {
  const mine = [...documents._data].filter(([, item]) => documents._getPartition(item.read()) === key);
  return Object.create(documents, { _data: { value: new Map(mine) } });
}

const { createHttpsServer } = require("@vercel/cosmosdb-server");

const [port, certificateFile, keyFile] = process.argv.slice(2);
const server = createHttpsServer({
  cert: readFileSync(certificateFile),
  key: readFileSync(keyFile),
  minVersion: "TLSv1.2",
  keepAlive: true,
  keepAliveTimeout: 60000
});
server.listen(Number(port), "127.0.0.1");

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
