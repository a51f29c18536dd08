// BullMQ's way: a flow of a job with four children, on Redis.
//
//     node bullmq_flow.cjs worker
//     node bullmq_flow.cjs COUNT
//
// The first works until it is ended; the second adds so many flows at once and prints as JSON how long they took.

const { FlowProducer, Queue, Worker } = require("bullmq");

const STEPS = ["risk_analysis", "risk_scoring", "forecast", "recommendation"];
const AT_ONCE = 50;
const POLL_MS = 50;
const LIMIT_MS = 600_000;

const connection = { host: "127.0.0.1", port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null };

function work() {
  const options = { connection, concurrency: AT_ONCE };
  new Worker("steps", async (job) => ({ step: job.name, subject: job.data.subject, confidence: 0.8 }), options);
  new Worker("analyses", async (job) => {
    const answers = Object.values(await job.getChildrenValues());
    return { subject: job.data.subject, status: "completed", answers };
  }, options);
}

async function burst(count) {
  const flows = new FlowProducer({ connection });
  const analyses = new Queue("analyses", { connection });
  const before = await analyses.getCompletedCount();
  const began = Date.now();
  await flows.addBulk(Array.from({ length: count }, (_, number) => flow(String(number))));
  const published = Date.now() - began;
  while ((await analyses.getCompletedCount()) < before + count) {
    if (Date.now() > began + LIMIT_MS) throw new Error(`not all of ${count} flows have ended`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const ended = await analyses.getJobs(["completed"], 0, count - 1); // the last that ended comes first
  if (!ended.every((job) => job.returnvalue.answers.length === STEPS.length)) throw new Error("an answer is missing");
  const seconds = (Math.max(...ended.map((job) => job.finishedOn)) - began) / 1000;
  console.log(JSON.stringify({ seconds, published_after: published / 1000 }));
  await Promise.all([flows.close(), analyses.close()]);
}

function flow(subject) {
  const children = STEPS.map((step) => ({ name: step, queueName: "steps", data: { subject } }));
  return { name: "analysis", queueName: "analyses", data: { subject }, children };
}

if (process.argv[2] === "worker") work();
else burst(Number(process.argv[2]));
