// The dashboard for Grafana, by the questions of docs/operations.md. Alerts link to its panels by id.
interface Panel {
  /** Part of links: never changes, and is never used again. */
  id: number;
  title: string;
  /** PromQL and its legend. */
  queries: readonly (readonly [expr: string, legend: string])[];
  unit?: string;
}

const OF_JOB = 'job=~"$job"';

const SENDING = `${OF_JOB}, method="POST", route!~"/dead-letters.*"`;

const QUESTIONS: Record<string, readonly Panel[]> = {
  '1. Are events coming in?': [
    {
      id: 1,
      title: 'Events accepted',
      queries: [[`sum by (job) (rate(footfall_events_generated_total{${OF_JOB}}[5m]))`, '{{job}}']],
      unit: 'ops',
    },
    {
      id: 2,
      title: 'Rejected, by code',
      queries: [
        [`sum by (code) (rate(footfall_events_rejected_total{${OF_JOB}}[5m])) > 0`, '{{code}}'],
        [`sum by (kind) (rate(footfall_events_duplicate_total{${OF_JOB}}[5m])) > 0`, 'sent again: {{kind}}'],
        [`sum (rate(footfall_event_conflicts_total{${OF_JOB}}[5m])) > 0`, 'conflicts in the log'],
      ],
      unit: 'ops',
    },
    {
      id: 3,
      title: 'Sending requests that fail',
      queries: [
        [
          `sum by (job) (rate(footfall_http_request_seconds_count{${SENDING}, status=~"5.."}[5m])) / sum by (job) (rate(footfall_http_request_seconds_count{${SENDING}}[5m]))`,
          '{{job}}',
        ],
      ],
      unit: 'percentunit',
    },
  ],
  '2. and 3. How far is storing behind?': [
    {
      id: 4,
      title: 'Records that are not stored yet',
      queries: [
        [
          `max by (job, partition) (footfall_consumer_lag_records{${OF_JOB}})`,
          '{{job}}, partition {{partition}}',
        ],
        [
          `max by (job, partition) (footfall_consumer_held_back_records{${OF_JOB}}) > 0`,
          'held back in partition {{partition}}',
        ],
      ],
    },
    {
      id: 5,
      title: 'Age of the oldest of them',
      queries: [[`max by (job) (footfall_consumer_lag_seconds{${OF_JOB}})`, '{{job}}']],
      unit: 's',
    },
  ],
  '4. What is down, and since when?': [
    {
      id: 6,
      title: 'Dependencies: 1 works, 0 does not',
      queries: [
        [`min by (job, dependency) (footfall_dependency_up{${OF_JOB}})`, '{{job}}: {{dependency}}'],
        [`min by (job, instance) (up{${OF_JOB}})`, '{{instance}}'],
      ],
    },
  ],
  '5. Is anything lost?': [
    {
      id: 7,
      title: 'Unaccounted, lost, rewound; reading begun again',
      queries: [
        [
          `sum by (outcome) (max by (job, partition, outcome) (footfall_ledger_records{${OF_JOB}, outcome=~"unaccounted|lost|rewound"}))`,
          '{{outcome}}',
        ],
        [`sum (increase(footfall_data_gap_records_total{${OF_JOB}}[1h]))`, 'data gaps within an hour'],
        [
          `sum (increase(footfall_log_rewound_records_total{${OF_JOB}}[1h]))`,
          'rewound in the log within an hour',
        ],
        [
          `sum (increase(footfall_reading_restarts_total{${OF_JOB}}[1h])) + sum (increase(footfall_watchdog_restarts_total{${OF_JOB}}[1h]))`,
          'reading begun again within an hour',
        ],
        [
          `sum (increase(footfall_retention_removed_total{${OF_JOB}}[1h]))`,
          'removed by retention within an hour',
        ],
        [
          `sum (increase(footfall_retention_failures_total{${OF_JOB}}[1h]))`,
          'failures to remove within an hour',
        ],
      ],
    },
  ],
  '6. Which dead letters wait?': [
    {
      id: 8,
      title: 'Dead letters that wait',
      queries: [[`max by (job, reason) (footfall_dead_letters_waiting{${OF_JOB}})`, '{{job}}: {{reason}}']],
    },
    {
      id: 9,
      title: 'New dead letters within an hour',
      queries: [
        [`sum by (reason) (increase(footfall_dead_letters_total{${OF_JOB}}[1h]))`, '{{reason}}'],
        [`sum (increase(footfall_redrives_total{${OF_JOB}}[1h]))`, 'redrives'],
      ],
    },
  ],
  '7. Is the log slow, or the store?': [
    {
      id: 10,
      title: 'Log: time of appends',
      queries: [
        [p99('footfall_append_seconds'), '99 %'],
        [
          `sum by (failure) (rate(footfall_append_failures_total{${OF_JOB}}[5m])) > 0`,
          'failures: {{failure}}',
        ],
      ],
      unit: 's',
    },
    {
      id: 11,
      title: 'Store: time of transactions',
      queries: [[p99('footfall_process_seconds'), '99 %']],
      unit: 's',
    },
    {
      id: 12,
      title: 'Store: time of operations, 99 %',
      queries: [[p99('footfall_store_seconds', 'operation'), '{{operation}}']],
      unit: 's',
    },
    {
      id: 13,
      title: 'Store: failures',
      queries: [
        [`sum by (operation) (rate(footfall_store_failures_total{${OF_JOB}}[5m])) > 0`, '{{operation}}'],
      ],
      unit: 'ops',
    },
    {
      id: 14,
      title: 'Connections to PostgreSQL',
      queries: [
        [`sum by (state) (footfall_store_connections{${OF_JOB}})`, '{{state}}'],
        [p99('footfall_store_connection_wait_seconds'), 'wait in seconds, 99 %'],
        [
          `sum by (from) (rate(footfall_store_reads_total{${OF_JOB}}[5m])) > 0`,
          'reads a second, with a replica: {{from}}',
        ],
      ],
    },
  ],
  '8. Who is flooding the service?': [
    {
      id: 15,
      title: 'Events by key, and what is turned away',
      queries: [
        [
          `topk(10, sum by (key, result) (rate(footfall_events_by_key_total{${OF_JOB}}[5m])) > 0)`,
          '{{key}}: {{result}}',
        ],
        [`sum (rate(footfall_overload_rejections_total{${OF_JOB}}[5m]))`, 'overload'],
        [`sum by (code) (rate(footfall_requests_refused_total{${OF_JOB}}[5m])) > 0`, '{{code}}'],
      ],
      unit: 'ops',
    },
    {
      id: 16,
      title: 'Events by type',
      queries: [[`topk(10, sum by (type) (rate(footfall_events_by_type_total{${OF_JOB}}[5m])))`, '{{type}}']],
      unit: 'ops',
    },
    {
      id: 17,
      title: 'Requests in progress',
      queries: [
        [`sum by (job) (footfall_requests_in_flight{${OF_JOB}})`, '{{job}}'],
        [`sum by (job) (footfall_requests_in_flight_bytes{${OF_JOB}}) / 1e6`, '{{job}}: MB reserved'],
      ],
    },
  ],
  '9. Are readers served?': [
    {
      id: 18,
      title: 'Time of requests, 99 %',
      queries: [[p99('footfall_http_request_seconds', 'method, route'), '{{method}} {{route}}']],
      unit: 's',
    },
    {
      id: 19,
      title: 'Requests by status',
      queries: [
        [
          `sum by (route, status) (rate(footfall_http_request_seconds_count{${OF_JOB}}[5m]))`,
          '{{route}} {{status}}',
        ],
      ],
      unit: 'ops',
    },
    {
      id: 20,
      title: 'Streams',
      queries: [[`sum by (job) (footfall_streams_open{${OF_JOB}})`, '{{job}}']],
    },
  ],
  '10. When will the disk be full, and which version has been running since when?': [
    {
      id: 21,
      title: 'Free space',
      queries: [
        [`min by (job) (footfall_disk_free_bytes{${OF_JOB}})`, '{{job}}'],
        [`predict_linear(footfall_disk_free_bytes{${OF_JOB}}[6h], 3 * 86400)`, '{{instance}} in three days'],
      ],
      unit: 'bytes',
    },
    {
      id: 22,
      title: 'Size of the store',
      queries: [[`max by (job) (footfall_store_bytes{${OF_JOB}})`, '{{job}}']],
      unit: 'bytes',
    },
    {
      id: 23,
      title: 'Seconds since the last start, by version',
      queries: [
        [
          `time() - max by (job, instance, version) (footfall_process_start_time_seconds{${OF_JOB}} * on (job, instance) group_left (version) footfall_build_info{${OF_JOB}})`,
          '{{instance}}: {{version}}',
        ],
      ],
      unit: 's',
    },
    {
      id: 24,
      title: 'Memory of the largest process',
      queries: [
        [
          `max by (instance, role) (footfall_process_resident_memory_bytes{${OF_JOB}})`,
          '{{instance}}: {{role}}',
        ],
      ],
      unit: 'bytes',
    },
  ],
};

function p99(metric: string, labels?: string): string {
  const by = labels === undefined ? 'le' : `${labels}, le`;
  return `histogram_quantile(0.99, sum by (${by}) (rate(${metric}_bucket{${OF_JOB}}[5m])))`;
}

const DATASOURCE = { type: 'prometheus', uid: '$datasource' };
const ROW_HEIGHT = 8;
const WIDTH = 24;

/** The text of `deploy/grafana/footfall.json`. */
export function grafanaDashboard(): string {
  const panels: object[] = [];
  let y = 0;
  for (const [at, [title, own]] of Object.entries(QUESTIONS).entries()) {
    panels.push({
      id: 100 + at,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { h: 1, w: WIDTH, x: 0, y },
      panels: [],
    });
    y++;
    const w = Math.floor(WIDTH / Math.min(3, own.length));
    for (const [nth, panel] of own.entries()) {
      const x = (nth % 3) * w;
      panels.push(panelJson(panel, { h: ROW_HEIGHT, w, x, y: y + Math.floor(nth / 3) * ROW_HEIGHT }));
    }
    y += Math.ceil(own.length / 3) * ROW_HEIGHT;
  }
  const dashboard = {
    uid: 'footfall',
    title: 'Footfall',
    tags: ['footfall'],
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    schemaVersion: 39,
    time: { from: 'now-6h', to: 'now' },
    templating: { list: variables() },
    panels,
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

function panelJson({ id, title, queries, unit = 'short' }: Panel, gridPos: object): object {
  return {
    id,
    type: 'timeseries',
    title,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: {
      legend: { displayMode: 'list', placement: 'bottom' },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    targets: queries.map(([expr, legendFormat], at) => ({
      refId: String.fromCharCode(65 + at),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  };
}

function variables(): object[] {
  return [
    { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
    {
      name: 'job',
      label: 'Job',
      type: 'query',
      datasource: DATASOURCE,
      query: { query: 'label_values(footfall_build_info, job)', refId: 'job' },
      definition: 'label_values(footfall_build_info, job)',
      includeAll: true,
      multi: true,
      current: { text: 'All', value: '$__all' },
      refresh: 2,
    },
  ];
}
