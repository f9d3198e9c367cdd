// In: the settings about TLS and SASL to Kafka. Out: what they amount to, or sentences about what is wrong with them.
import type { Settings } from './settings.ts';

interface Secret {
  text: string;
  /** Where it comes from, to be read again. */
  file: string | undefined;
}

/** How to connect to the brokers. */
export interface KafkaSecurity {
  /** Paths of PEM files; undefined: no TLS. */
  tls: { ca: string | undefined; cert: string | undefined; key: string | undefined } | undefined;
  /** Undefined: no login. */
  sasl: PasswordLogin | TokenLogin | undefined;
}

interface PasswordLogin {
  mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  username: string;
  password: Secret;
}

interface TokenLogin {
  mechanism: 'OAUTHBEARER';
  tokenUrl: string;
  clientId: string;
  clientSecret: Secret;
  scope: string | undefined;
}

type Name = keyof Settings;

const OF_TLS: Name[] = ['KAFKA_SSL_CA_FILE', 'KAFKA_SSL_CERT_FILE', 'KAFKA_SSL_KEY_FILE'];
const OF_PASSWORDS: Name[] = ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'];
const OF_TOKENS: Name[] = [
  'KAFKA_OAUTH_TOKEN_URL',
  'KAFKA_OAUTH_CLIENT_ID',
  'KAFKA_OAUTH_CLIENT_SECRET',
  'KAFKA_OAUTH_SCOPE',
];
/** Each secret can also be in a file. Its text is in the setting then, too. */
const IN_A_FILE: { readonly [name in Name]?: Name } = {
  KAFKA_SASL_PASSWORD: 'KAFKA_SASL_PASSWORD_FILE',
  KAFKA_OAUTH_CLIENT_SECRET: 'KAFKA_OAUTH_CLIENT_SECRET_FILE',
};

/** What contradicts itself or is missing, a sentence each. */
export function kafkaSecurityProblems(settings: Settings): string[] {
  const protocol = settings.KAFKA_SECURITY_PROTOCOL;
  const setting = `KAFKA_SECURITY_PROTOCOL=${protocol}`;
  const needed = protocol === 'PLAINTEXT' ? [] : missing(settings, setting, ['KAFKA_BROKERS']);
  return [...needed, ...tlsProblems(settings, setting), ...saslProblems(settings, setting)];
}

/** What works, and sends secrets over the network as they are. */
export function kafkaSecurityWarnings(settings: Settings): string[] {
  const { KAFKA_SASL_MECHANISM: mechanism, KAFKA_OAUTH_TOKEN_URL: tokenUrl } = settings;
  const warnings: string[] = [];
  if (settings.KAFKA_SECURITY_PROTOCOL === 'SASL_PLAINTEXT' && !mechanism?.startsWith('SCRAM')) {
    const what = mechanism === 'PLAIN' ? 'the password' : 'tokens';
    warnings.push(
      `KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT sends ${what} unencrypted: use SASL_SSL unless you trust the network`,
    );
  }
  if (tokenUrl?.startsWith('http:')) {
    warnings.push('KAFKA_OAUTH_TOKEN_URL is not https: the client secret is sent unencrypted');
  }
  return warnings;
}

/** @param settings without problems */
export function kafkaSecurity(settings: Settings): KafkaSecurity {
  const { KAFKA_SSL_CA_FILE: ca, KAFKA_SSL_CERT_FILE: cert, KAFKA_SSL_KEY_FILE: key } = settings;
  return {
    tls: hasTls(settings) ? { ca, cert, key } : undefined,
    sasl: hasSasl(settings) ? login(settings) : undefined,
  };
}

function hasTls({ KAFKA_SECURITY_PROTOCOL: protocol }: Settings): boolean {
  return protocol === 'SSL' || protocol === 'SASL_SSL';
}

function hasSasl({ KAFKA_SECURITY_PROTOCOL: protocol }: Settings): boolean {
  return protocol === 'SASL_PLAINTEXT' || protocol === 'SASL_SSL';
}

function login(settings: Settings): KafkaSecurity['sasl'] {
  const { KAFKA_SASL_MECHANISM: mechanism } = settings;
  if (mechanism !== 'OAUTHBEARER') {
    return {
      mechanism: mechanism!,
      username: settings.KAFKA_SASL_USERNAME!,
      password: { text: settings.KAFKA_SASL_PASSWORD!, file: settings.KAFKA_SASL_PASSWORD_FILE },
    };
  }
  return {
    mechanism,
    tokenUrl: settings.KAFKA_OAUTH_TOKEN_URL!,
    clientId: settings.KAFKA_OAUTH_CLIENT_ID!,
    clientSecret: {
      text: settings.KAFKA_OAUTH_CLIENT_SECRET!,
      file: settings.KAFKA_OAUTH_CLIENT_SECRET_FILE,
    },
    scope: settings.KAFKA_OAUTH_SCOPE,
  };
}

function tlsProblems(settings: Settings, protocol: string): string[] {
  const use = hasSasl(settings) ? 'SASL_SSL' : 'SSL or SASL_SSL';
  const problems = hasTls(settings)
    ? []
    : unused(settings, OF_TLS, `${protocol} does not use TLS: set it to ${use}`);
  const { KAFKA_SSL_CERT_FILE: cert, KAFKA_SSL_KEY_FILE: key } = settings;
  if ((cert === undefined) !== (key === undefined)) {
    problems.push('KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE belong together: set both, or neither');
  }
  return problems;
}

function saslProblems(settings: Settings, protocol: string): string[] {
  const { KAFKA_SASL_MECHANISM: mechanism } = settings;
  if (!hasSasl(settings)) {
    const use = hasTls(settings) ? 'SASL_SSL' : 'SASL_SSL or SASL_PLAINTEXT';
    const names: Name[] = ['KAFKA_SASL_MECHANISM', ...OF_PASSWORDS, ...OF_TOKENS];
    return unused(settings, names, `${protocol} does not use SASL: set it to ${use}`);
  }
  if (mechanism === undefined) return missing(settings, protocol, ['KAFKA_SASL_MECHANISM']);
  return loginProblems(settings, `KAFKA_SASL_MECHANISM=${mechanism}`);
}

function loginProblems(settings: Settings, mechanism: string): string[] {
  if (settings.KAFKA_SASL_MECHANISM === 'OAUTHBEARER') {
    return [
      ...unused(settings, OF_PASSWORDS, `${mechanism} uses tokens`),
      ...missing(settings, mechanism, [
        'KAFKA_OAUTH_TOKEN_URL',
        'KAFKA_OAUTH_CLIENT_ID',
        'KAFKA_OAUTH_CLIENT_SECRET',
      ]),
      ...urlProblems(settings),
    ];
  }
  return [
    ...unused(settings, OF_TOKENS, `${mechanism} uses a name and a password`),
    ...missing(settings, mechanism, ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD']),
  ];
}

/** Without the address, which may hold a password. */
function urlProblems({ KAFKA_OAUTH_TOKEN_URL: address }: Settings): string[] {
  const url = address === undefined ? undefined : URL.parse(address);
  if (url === null) return ['KAFKA_OAUTH_TOKEN_URL is not an address'];
  if (!url?.username && !url?.password) return [];
  return [
    'KAFKA_OAUTH_TOKEN_URL holds a user or a password: give those as KAFKA_OAUTH_CLIENT_ID and KAFKA_OAUTH_CLIENT_SECRET',
  ];
}

function unused(settings: Settings, names: Name[], why: string): string[] {
  const given = names.filter((name) => settings[name] !== undefined).map((name) => nameGiven(settings, name));
  if (given.length === 0) return [];
  return [`${given.join(', ')} ${given.length === 1 ? 'is' : 'are'} set, but ${why}`];
}

function nameGiven(settings: Settings, name: Name): Name {
  const file = IN_A_FILE[name];
  return file !== undefined && settings[file] !== undefined ? file : name;
}

function missing(settings: Settings, what: string, names: Name[]): string[] {
  return names
    .filter((name) => settings[name] === undefined)
    .map((name) => `${what} needs ${[name, IN_A_FILE[name]].filter(Boolean).join(' or ')}`);
}
