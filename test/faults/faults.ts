import { BROKER_FAULTS } from './broker-faults.ts';
import type { Fault } from './fault.ts';
import { INSTANCE_FAULTS } from './instance-faults.ts';
import { POSTGRES_FAULTS } from './postgres-faults.ts';
import { TOPIC_FAULTS } from './topic-faults.ts';

export const FAULTS: Fault[] = [...BROKER_FAULTS, ...TOPIC_FAULTS, ...INSTANCE_FAULTS, ...POSTGRES_FAULTS];
