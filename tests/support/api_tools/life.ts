// The life of an execution through the generated TypeScript client: `node life.js URL TOKEN TENANT`.
import createClient from "openapi-fetch";
import type { components, paths } from "./openapi.js";

type Execution = components["schemas"]["Execution"];

const [url, token, tenant] = process.argv.slice(2);
// Errors are the envelope, which comes unless problem details are asked for.
const client = createClient<paths, "application/json">({
  baseUrl: url,
  headers: { Authorization: `Bearer ${token}`, "X-Tenant-ID": tenant },
});

function sure<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

function expect(what: string, holds: boolean): void {
  if (!holds) throw new Error(what);
}

const started: Execution = sure(
  await client.POST("/api/v1/executions", {
    body: { workflow: "opportunity-analysis", subject: "opportunity-2", priority: 5 },
    params: { header: { "Idempotency-Key": "start-2" } },
  }),
);
const path = { executionId: started.id };

const followed = sure(await client.GET("/api/v1/executions/{executionId}", { params: { path } }));
expect("it is pending", followed.status === "pending");
const page = sure(await client.GET("/api/v1/executions", { params: { query: { status: ["pending"] } } }));
expect("it is listed", page.items.some((one) => one.id === started.id));
const stream = await client.GET("/api/v1/executions/stream", {
  params: { query: { executionId: started.id, seconds: 0 } },
  parseAs: "text",
});
expect("its events are streamed", stream.response.ok);

const approval = sure(
  await client.POST("/api/v1/hitl/approvals", {
    body: { subject: "opportunity-2", executionId: started.id, riskScore: 0.9 },
  }),
);
const decided = sure(
  await client.POST("/api/v1/hitl/approvals/{approvalId}/decisions", {
    params: { path: { approvalId: approval.id }, header: { "If-Match": `"${approval.version}"` } },
    body: { outcome: "approved", reason: "Checked with legal", decidedBy: "u-208" },
  }),
);
expect("it is approved", decided.status === "approved");

const cancel = { params: { path }, body: { reason: "the deal is lost" } };
const cancelled = sure(await client.POST("/api/v1/executions/{executionId}/cancel", cancel));
expect("it is cancelled", cancelled.status === "cancelled");
const refused = await client.POST("/api/v1/executions/{executionId}/cancel", cancel);
expect("it has ended", refused.error?.error.code === "EXECUTION_ENDED");

const workflow = { workflow: "opportunity-analysis" };
const changed = await client.PATCH("/api/v1/definitions/{workflow}", {
  params: { path: workflow },
  body: { stepTimeoutSeconds: 600 },
});
expect("the definition is changed", sure(changed).stepTimeoutSeconds === 600);
const known = await client.GET("/api/v1/definitions/{workflow}", {
  params: { path: workflow, header: { "If-None-Match": changed.response.headers.get("etag")! } },
});
expect("it is known", known.response.status === 304);

const log = JSON.stringify(sure(await client.GET("/api/v1/audit", {})));
for (const act of ["execution.start", "approval.decide", "execution.cancel"]) {
  expect(`the log has ${act}`, log.includes(act));
}
