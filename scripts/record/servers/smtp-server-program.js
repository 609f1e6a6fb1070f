// nodemailer's smtp-server: smtp-server-program.js ADDRESS OPTIONS
const { SMTPServer } = require('smtp-server');

const [address, options] = process.argv.slice(2);
const server = new SMTPServer({
    authOptional: true,
    onAuth: ({ username, password }, session, done) =>
        username === 'user' && password === 'pass' ? done(null, { user: username }) : done(new Error('Invalid login')),
    onRcptTo: ({ address }, session, done) =>
        done(address.startsWith('nobody') ? Object.assign(new Error('No such user'), { responseCode: 550 }) : null),
    onData: (stream, session, done) => stream.on('end', done).resume(),
    ...JSON.parse(options),
});
server.on('error', (error) => console.error(error.message));
server.listen(25, address);
