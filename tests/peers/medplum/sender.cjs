// An HL7 sender: each line of standard input is a message, as JSON; what it sees is told on standard output.
const { createInterface } = require('node:readline');
const { Hl7Message } = require('@medplum/core');
const { Hl7Client, ReturnAckCategory } = require('@medplum/hl7');

const tell = (event, text) => console.log(JSON.stringify({ event, at: performance.now(), text }));

async function main(port) {
  const client = new Hl7Client({ host: '127.0.0.1', port });
  const connection = await client.connect();
  connection.addEventListener('message', ({ message }) => tell('received', message.toString()));
  connection.addEventListener('close', () => tell('closed', ''));
  tell('ready', '');
  for await (const line of createInterface({ input: process.stdin })) {
    const message = Hl7Message.parse(JSON.parse(line));
    tell('sent', message.toString());
    connection.sendAndWait(message, { returnAck: ReturnAckCategory.APPLICATION }).then(
      (reply) => tell('settled', reply.toString()),
      () => {} // pending when standard input has ended
    );
  }
  await client.close();
}

main(Number(process.argv[2]));
