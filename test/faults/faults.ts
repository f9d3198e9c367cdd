import { BROKER_FAULTS } from './broker-faults.ts';
import { CLOCK_FAULTS } from './clock-faults.ts';
import type { Fault } from './fault.ts';
import { GOING_BACK_FAULTS } from './going-back-faults.ts';
import { INSTANCE_FAULTS } from './instance-faults.ts';
import { OTHERS_FAULTS } from './others-faults.ts';
import { POSTGRES_FAULTS } from './postgres-faults.ts';
import { RELEASE_FAULTS } from './release-faults.ts';
import { TOPIC_FAULTS } from './topic-faults.ts';

export const FAULTS: Fault[] = [
  ...BROKER_FAULTS,
  ...TOPIC_FAULTS,
  ...INSTANCE_FAULTS,
  ...RELEASE_FAULTS,
  ...POSTGRES_FAULTS,
  ...GOING_BACK_FAULTS,
  ...OTHERS_FAULTS,
  ...CLOCK_FAULTS,
];
