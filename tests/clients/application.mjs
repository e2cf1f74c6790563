// What an application does that lets its user open the browser: it listens on loopback for the answer and
// says where the user has to go. `{"open": URL}` on standard output is the browser being opened.

import http from 'node:http';

/** Listens for answers of the authorization server. */
export class Application {
  #waiting = [];
  #answers = [];

  static async listen(port) {
    const application = new Application();
    const server = http.createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url, 'http://127.0.0.1');
      if (pathname !== '/callback') {
        response.writeHead(404).end();
        return;
      }
      response.end('You can close this window.');
      const waiting = application.#waiting.shift();
      if (waiting) waiting(searchParams);
      else application.#answers.push(searchParams);
    });
    server.unref();
    await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
    application.redirectUrl = `http://127.0.0.1:${server.address().port}/callback`;
    return application;
  }

  open(url) {
    console.log(JSON.stringify({ open: String(url) }));
  }

  /** The next answer. */
  answer() {
    const answer = this.#answers.shift();
    if (answer) return Promise.resolve(answer);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** What both major versions of the TypeScript SDK ask of an application that authorizes itself. */
export class Provider {
  constructor(application, clientId) {
    this.application = application;
    if (clientId) this.information = { client_id: clientId };
  }

  get redirectUrl() {
    return this.application.redirectUrl;
  }

  get clientMetadata() {
    return {
      client_name: 'Test application',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  state() {
    this.sent = crypto.randomUUID();
    return this.sent;
  }

  clientInformation() {
    return this.information;
  }

  saveClientInformation(information) {
    this.information = information;
  }

  tokens() {
    return this.held;
  }

  saveTokens(tokens) {
    this.held = tokens;
  }

  redirectToAuthorization(url) {
    this.application.open(url);
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  codeVerifier() {
    return this.verifier;
  }

  /** The answer to the last request, which must be ours. */
  async answer() {
    const answer = await this.application.answer();
    if (answer.get('state') !== this.sent) throw new Error('the answer is to another request');
    if (!answer.get('code')) throw new Error(`no code: ${answer}`);
    return answer;
  }
}
