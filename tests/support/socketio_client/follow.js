// One client as the platform's pages have it. Takes one JSON command a line ({emit, data}, or
// {close: true}), and writes one JSON line for everything that happens to it.
const { createInterface } = require("node:readline");
const { io } = require("socket.io-client");

const [url, options] = [process.argv[2], JSON.parse(process.argv[3] ?? "{}")];
const socket = io(url, { reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });

const write = (name, data) => console.log(JSON.stringify({ name, data: data ?? null }));

socket.on("connect", () => write("connect"));
socket.on("disconnect", (reason) => write("disconnect", reason));
socket.on("connect_error", (error) => write("connect_error", error.message));
socket.onAny((name, data) => write(name, data));

createInterface({ input: process.stdin })
    .on("line", (line) => {
        const { emit, data, close } = JSON.parse(line);
        if (close) socket.close();
        else socket.emit(emit, data);
    })
    .on("close", () => process.exit());
