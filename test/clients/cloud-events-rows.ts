import { same, typesAndUsers } from './check.ts';
import { fromGo, fromJava, fromNpm, fromPyPi, mavenJars } from './install.ts';
import type { Row } from './row.ts';
import { USER } from './segment-rows.ts';

const JAVA_SDK = '4.0.1';

function cloudEventsRow(row: Pick<Row, 'name' | 'version' | 'isQuick' | 'install'>): Row {
  return {
    ...row,
    checked: 'binary and structured; not ASCII; sent twice',
    check: async (program, ground) => {
      const service = await ground.service();
      await ground.run(program, { FOOTFALL_URL: service.url, FOOTFALL_USER: USER });
      const stored = await service.stored();
      same('stored', typesAndUsers(stored), [`LOGIN of ${USER}`, `LOGIN of ${USER}`]);
      same(
        'data',
        stored.map(({ payload }) => payload),
        [{ city: 'Köln' }, { city: 'Köln' }],
      );
    },
  };
}

export const CLOUD_EVENTS_ROWS: Row[] = [
  cloudEventsRow({
    name: 'cloudevents (Node)',
    version: '10.0.0',
    isQuick: true,
    install: () => fromNpm('cloud-events.js', 'cloudevents@10.0.0'),
  }),
  cloudEventsRow({
    name: 'cloudevents 1 (Python)',
    version: '1.13.0',
    isQuick: true,
    install: () => fromPyPi('cloud_events_1.py', 'cloudevents==1.13.0', 'requests==2.34.2'),
  }),
  cloudEventsRow({
    name: 'cloudevents 2 (Python)',
    version: '2.2.0',
    isQuick: true,
    install: () => fromPyPi('cloud_events_2.py', 'cloudevents==2.2.0', 'requests==2.34.2'),
  }),
  cloudEventsRow({
    name: 'cloudevents/sdk-go',
    version: 'v2.16.2',
    isQuick: false,
    install: () => fromGo('cloudevents'),
  }),
  cloudEventsRow({
    name: 'cloudevents/sdk-java',
    version: JAVA_SDK,
    isQuick: false,
    install: async () =>
      fromJava(
        'SendCloudEvents.java',
        await mavenJars(
          `io.cloudevents:cloudevents-http-basic:${JAVA_SDK}`,
          `io.cloudevents:cloudevents-json-jackson:${JAVA_SDK}`,
        ),
      ),
  }),
];
