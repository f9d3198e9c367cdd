import Type from 'typebox';

/** How to reach the brokers: TLS and SASL. */
export const KAFKA_SECURITY_SETTINGS = {
  KAFKA_SECURITY_PROTOCOL: Type.Enum(['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'], {
    default: 'PLAINTEXT',
    description:
      'How to connect to the brokers: `SSL` encrypts (TLS), `SASL_PLAINTEXT` logs in, `SASL_SSL` does both, `PLAINTEXT` neither. docs/kafka.md has examples for managed services.',
  }),
  KAFKA_SSL_CA_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'PEM file with the certificate authorities that the certificates of the brokers come from. Not set: those that Node.js knows. Footfall reads it again for each new connection, as all files of these settings.',
      examples: ['/etc/footfall/kafka-ca.pem'],
    }),
  ),
  KAFKA_SSL_CERT_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        "PEM file with Footfall's own certificate and its chain, for brokers that ask clients for one (mutual TLS).",
      examples: ['/etc/footfall/kafka-client.pem'],
    }),
  ),
  KAFKA_SSL_KEY_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'PEM file with the private key of that certificate, without a passphrase.',
      examples: ['/etc/footfall/kafka-client.key'],
    }),
  ),
  KAFKA_SASL_MECHANISM: Type.Optional(
    Type.Enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'], {
      description:
        'How to log in: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512` with a name and a password, or `OAUTHBEARER` with tokens that Footfall gets for its client credentials, and renews.',
      examples: ['SCRAM-SHA-512'],
    }),
  ),
  KAFKA_SASL_USERNAME: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'User name for `PLAIN` and `SCRAM`; some services call it the API key.',
      examples: ['footfall'],
    }),
  ),
  KAFKA_SASL_PASSWORD: Type.Optional(
    Type.String({
      minLength: 1,
      writeOnly: true,
      description: 'Password of that user; some services call it the API secret.',
    }),
  ),
  KAFKA_SASL_PASSWORD_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description:
        'File that holds the password, instead of the variable. A line break at its end is ignored.',
      examples: ['/run/secrets/kafka-password'],
    }),
  ),
  KAFKA_OAUTH_TOKEN_URL: Type.Optional(
    Type.String({
      pattern: '^https?://\\S+$',
      description: 'Token endpoint of the identity provider, for `OAUTHBEARER`.',
      examples: ['https://login.example/oauth2/token'],
    }),
  ),
  KAFKA_OAUTH_CLIENT_ID: Type.Optional(
    Type.String({ minLength: 1, description: 'Client id for the token endpoint.', examples: ['footfall'] }),
  ),
  KAFKA_OAUTH_CLIENT_SECRET: Type.Optional(
    Type.String({ minLength: 1, writeOnly: true, description: 'Client secret for the token endpoint.' }),
  ),
  KAFKA_OAUTH_CLIENT_SECRET_FILE: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'File that holds the client secret, instead of the variable.',
      examples: ['/run/secrets/kafka-client-secret'],
    }),
  ),
  KAFKA_OAUTH_SCOPE: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'Scopes to ask for, separated by spaces. Not set: none is asked for.',
      examples: ['kafka'],
    }),
  ),
};
