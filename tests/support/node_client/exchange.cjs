// Sends each text of a file, waits for its answer, then sends the next; says what was sent and what was answered.
const fs = require("node:fs");
const { Client, Message } = require("node-hl7-client");

const [, , port, input, output] = process.argv;
const texts = JSON.parse(fs.readFileSync(input, "utf8"));
const told = { sent: [], codes: [], ids: [], errors: [], total: 0 };
const client = new Client({ host: "127.0.0.1" });

let place = 0;
const next = async () => {
  if (place === texts.length) {
    told.total = client.totalSent();
    fs.writeFileSync(output, JSON.stringify(told));
    await connection.close();
    return;
  }
  const message = new Message({ text: texts[place] });
  place += 1;
  told.sent.push(message.toString());
  await connection.sendMessage(message);
};

const connection = client.createConnection({ port: Number(port), waitAck: true }, (answer) => {
  const message = answer.getMessage();
  told.codes.push(message.get("MSA.1").toString());
  told.ids.push(message.get("MSA.2").toString());
  void next();
});
connection.on("connect", () => void next());
connection.on("client.error", (error) => told.errors.push(String(error)));
connection.on("data.error", (error) => told.errors.push(String(error)));
