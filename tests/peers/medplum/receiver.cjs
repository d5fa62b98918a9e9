// An HL7 receiver that accepts every message (CA), and tells of it on standard output; ends with standard input.
const { Hl7Server } = require('@medplum/hl7');

// Hl7Server.start() takes no host: keep it on loopback
const net = require('node:net');
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  return listen.call(this, port, '127.0.0.1', ...rest);
};

const tell = (event, text) => console.log(JSON.stringify({ event, at: performance.now(), text }));

const receiver = new Hl7Server((connection) => {
  connection.addEventListener('message', ({ message }) => tell('received', message.toString()));
});
receiver.start(0, 'utf-8', true);
receiver.server.once('listening', () => tell('ready', String(receiver.server.address().port)));
process.stdin.resume().once('end', () => receiver.stop({ forceDrainTimeoutMs: 0 }));
