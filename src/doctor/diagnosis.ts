// In: the environment and an address. Out: everything that is wrong, what causes others first.
import { type Config, logKind } from '../config/config.ts';
import type { Examination } from '../log/examination.ts';
import { diskFindings } from './disk.ts';
import { type Finding, ordered, type PlacedFinding } from './finding.ts';
import {
  addressOf,
  type Check,
  examineDependencies,
  inspectDependencies,
  inspectSettings,
  type SettingsInspection,
} from './inspection.ts';
import { buildOf } from './metric-findings.ts';
import { explainMissing } from './missing-service.ts';
import { explain, type Speaker } from './said.ts';
import { askService, type NoService, type ServiceAddress, type ServiceAnswers } from './service-answers.ts';
import { serviceFindings } from './service-findings.ts';

type Variables = Readonly<Record<string, string | undefined>>;

interface Patient {
  env: Variables;
  service: ServiceAddress;
  /** Whether somebody said that a service answers there; otherwise the settings say where one would. */
  isExpected: boolean;
}

/** What was asked, and what each said. */
export interface Diagnosis {
  areSettingsRight: boolean;
  findings: Finding[];
  checks: Check[];
  /** Undefined if the settings are wrong. */
  examinations: Record<'log' | 'store', Examination> | undefined;
  /** Of the service. */
  url: string;
  /** By which certificate it is known; undefined: by one of a known authority, or it has none. */
  certificate: string | undefined;
  service: ServiceAnswers | NoService;
}

/** Asks everything at the same time. Every question has a limit, which together are less than ten seconds. */
export async function diagnose({ env, service, isExpected }: Patient): Promise<Diagnosis> {
  const settings = await inspectSettings(env);
  const { config } = settings;
  const own = config && ownUrl(config);
  const url = isExpected ? service.url : (own ?? service.url);
  const certificate = url === own ? config?.certificate?.cert : undefined;
  const [dependencies, examinations, disk, answers] = await Promise.all([
    config && inspectDependencies(config),
    config && examineDependencies(config),
    config ? diskFindings(config) : [],
    askService({ ...service, url, certificate }),
  ]);
  const found = [...settingsFindings(settings), ...disk];
  if (config !== undefined && dependencies !== undefined) {
    const isItsFile = usesFiles(answers);
    for (const check of [dependencies.log, dependencies.store]) {
      found.push(
        ...dependencyFindings(check, config, examinations?.[check.name as 'log' | 'store'], isItsFile),
      );
    }
  }
  if (answers.state === 'answers') found.push(...serviceFindings(answers, url, config));
  else if (answers.state !== 'absent' || isExpected) found.push(explainMissing(answers, url));
  return {
    areSettingsRight: config !== undefined,
    findings: ordered(found),
    checks: [settings.check, ...(dependencies ? [dependencies.log, dependencies.store] : [])],
    examinations,
    url,
    certificate,
    service: answers,
  };
}

/** Where this machine reaches the service with these settings. */
function ownUrl(config: Config): string {
  const isAny = ['0.0.0.0', '::'].includes(config.HOST);
  return addressOf(isAny ? { ...config, HOST: '127.0.0.1' } : config);
}

function settingsFindings({ config, problems }: SettingsInspection): PlacedFinding[] {
  const by = 'the settings';
  const wrong = problems.map((problem): PlacedFinding => {
    return {
      code: 'settings',
      severity: 'error',
      cause: problem,
      next: 'Change it where it is set; docs/configuration.md describes every setting',
      detail: by,
      depth: 'settings',
    };
  });
  const doubtful = (config?.warnings ?? []).map((warning): PlacedFinding => {
    return {
      code: 'settings_doubtful',
      severity: 'warning',
      cause: warning,
      next: 'See what is in force: footfall check --print',
      detail: by,
      depth: 'settings',
    };
  });
  return [...wrong, ...doubtful];
}

/** @param isItsFile whether a running service has the file, as it should */
function dependencyFindings(
  { name, ok, detail }: Check,
  config: Config,
  examination: Examination | undefined,
  isItsFile: boolean,
): PlacedFinding[] {
  const speaker = speakerOf(name, config);
  const by = `asked from here with these settings`;
  const warnings = (examination?.warnings ?? []).map((said) => explain(speaker, said, by, 'warning'));
  if (ok) return warnings;
  const finding = explain(speaker, detail, by);
  return finding.code === 'file_in_use' && isItsFile ? warnings : [finding, ...warnings];
}

function speakerOf(name: Check['name'], config: Config): Speaker {
  if (name === 'log') return logKind(config) === 'kafka' ? 'kafka' : 'file';
  return config.store.kind === 'postgres' ? 'postgres' : 'file';
}

function usesFiles(answers: ServiceAnswers | NoService): boolean {
  // Most likely the service of these settings, which has to get at its certificate first.
  if (answers.state === 'other_certificate' || answers.state === 'expired') return true;
  if (answers.state !== 'answers') return false;
  // Unknown where a key is needed: then it is most likely the service of these settings.
  const build = answers.metrics === undefined ? undefined : buildOf(answers.metrics);
  return build === undefined || build.log === 'embedded' || build.store === 'sqlite';
}
