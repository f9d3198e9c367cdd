import { same, typesAndUsers } from './check.ts';
import type { Running, TestCluster } from './ground.ts';
import { fromNpm, fromPyPi } from './install.ts';
import { LostAnswer } from './lost-answer.ts';
import type { Program, Row } from './row.ts';

/** Whom the messages are about: not all of it is ASCII. */
export const USER = 'Jürgen 50%';
const CHECKED = 'every kind of message; a refusal; a lost answer';

/** What a program of these says at its end: the errors it was told of by its library. */
interface Said {
  errors: string[];
}

/** One message of each kind, and one whose event is a type of the catalog. */
const WANTED = ['PRODUCT_VIEW', 'alias', 'group', 'identify', 'page', 'screen', 'track'].map(
  (type) => `${type} of ${USER}`,
);

function segmentRow(row: Pick<Row, 'name' | 'version' | 'isQuick' | 'install'>): Row {
  return {
    ...row,
    checked: CHECKED,
    check: async (program, ground) => {
      await delivers(program, ground);
      await reportsRefusal(program, ground);
      await survivesLostAnswer(program, ground);
    },
  };
}

async function delivers(program: Program, ground: TestCluster): Promise<void> {
  const service = await ground.serviceWithKeys();
  const { errors } = await ground.run<Said>(program, settings(service));
  same('errors', errors, []);
  same('stored', typesAndUsers(await service.stored()), WANTED);
}

async function reportsRefusal(program: Program, ground: TestCluster): Promise<void> {
  const service = await ground.serviceWithKeys();
  const { errors } = await ground.run<Said>(program, { ...settings(service), WITH_REFUSED: 'yes' });
  if (errors.length === 0) throw new Error('one message was refused, and the library reported no error');
  same('stored beside one that was refused', typesAndUsers(await service.stored()), WANTED);
}

async function survivesLostAnswer(program: Program, ground: TestCluster): Promise<void> {
  const service = await ground.serviceWithKeys();
  const network = await LostAnswer.before(service.url, ground);
  const { errors } = await ground.run<Said>(program, { ...settings(service), FOOTFALL_URL: network.url });
  network.assertLost();
  same('errors after a lost answer', errors, []);
  same('stored after a lost answer', typesAndUsers(await service.stored()), WANTED);
}

function settings({ url, writeKey }: Running): Record<string, string> {
  return { FOOTFALL_URL: url, FOOTFALL_KEY: writeKey, FOOTFALL_USER: USER };
}

export const SEGMENT_ROWS: Row[] = [
  segmentRow({
    name: '@segment/analytics-node',
    version: '3.1.0',
    isQuick: true,
    install: () => fromNpm('segment.js', '@segment/analytics-node@3.1.0'),
  }),
  segmentRow({
    name: 'analytics-node',
    version: '6.2.0',
    isQuick: false,
    install: () => fromNpm('legacy-segment.js', 'analytics-node@6.2.0'),
  }),
  segmentRow({
    name: '@rudderstack/rudder-sdk-node',
    version: '3.0.13',
    isQuick: true,
    install: () => fromNpm('rudderstack.js', '@rudderstack/rudder-sdk-node@3.0.13'),
  }),
  segmentRow({
    name: 'segment-analytics-python',
    version: '2.4.0',
    isQuick: true,
    install: () => fromPyPi('segment_messages.py', 'segment-analytics-python==2.4.0'),
  }),
  segmentRow({
    name: 'rudder-sdk-python',
    version: '2.1.9',
    isQuick: true,
    install: () => fromPyPi('rudderstack_messages.py', 'rudder-sdk-python==2.1.9'),
  }),
];
