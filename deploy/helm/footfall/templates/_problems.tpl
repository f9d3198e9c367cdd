{{- /* Stops with a sentence for each value that contradicts another. What is wrong by itself is refused by values.schema.json. */ -}}
{{- define "footfall.refuseProblems" -}}
{{- $problems := list -}}
{{- $v := .Values -}}
{{- $log := toString $v.settings.LOG -}}
{{- $components := include "footfall.components" . | fromJsonArray -}}
{{- $isSplit := eq $v.roles "split" -}}
{{- $hasDatabase := hasKey $v.files "DATABASE_URL_FILE" -}}

{{- if not $v.image.repository -}}
{{- $problems = append $problems "image.repository is empty: there is no public image. Build it, push it to your registry and name it here (docs/kubernetes.md)" -}}
{{- end -}}

{{- if not (has $log (list "kafka" "embedded")) -}}
{{- $problems = append $problems (printf "settings.LOG is %s: say where events go, kafka or embedded" $log) -}}
{{- end -}}
{{- if and (eq $log "kafka") (not $v.settings.KAFKA_BROKERS) -}}
{{- $problems = append $problems "settings.KAFKA_BROKERS is missing: name the brokers, or choose settings.LOG=embedded with persistence.enabled" -}}
{{- end -}}
{{- if and (eq $log "kafka") (not $hasDatabase) (not $v.persistence.enabled) -}}
{{- $problems = append $problems "files.DATABASE_URL_FILE is missing: name the Secret with the address of PostgreSQL. One instance can do with SQLite: persistence.enabled" -}}
{{- end -}}
{{- if and (eq $log "embedded") $v.settings.KAFKA_BROKERS -}}
{{- $problems = append $problems "settings.LOG=embedded and settings.KAFKA_BROKERS contradict each other: leave one of them out" -}}
{{- end -}}
{{- if and (eq $log "embedded") (not $v.persistence.enabled) -}}
{{- $problems = append $problems "settings.LOG=embedded needs persistence.enabled: events would be gone with the pod" -}}
{{- end -}}
{{- if and $isSplit (or (eq $log "embedded") (not $hasDatabase)) -}}
{{- $problems = append $problems "roles=split needs settings.LOG=kafka and files.DATABASE_URL_FILE: an embedded log or a file belongs to one process" -}}
{{- end -}}
{{- if and $v.persistence.enabled (or $isSplit $v.all.autoscaling.enabled (ne (int $v.all.replicas) 1)) -}}
{{- $problems = append $problems "persistence.enabled is for one pod: set roles=all, all.replicas=1 and no autoscaling" -}}
{{- end -}}
{{- if and $v.migrations.enabled (not $hasDatabase) -}}
{{- $problems = append $problems "migrations.enabled needs files.DATABASE_URL_FILE: the service makes the tables of a file by itself" -}}
{{- end -}}

{{- if not (or (hasKey $v.files "API_KEYS_FILE") (eq (toString $v.settings.AUTH) "off")) -}}
{{- $problems = append $problems "files.API_KEYS_FILE is missing: name the Secret with the list of API keys, or set settings.AUTH to \"off\" (in quotes) if something in front of Footfall decides who may call" -}}
{{- end -}}

{{- $groups := dict "settings" $v.settings -}}
{{- range $component := list "all" "api" "consumer" -}}
{{- $_ := set $groups (printf "%s.settings" $component) (index $v $component "settings") -}}
{{- end -}}
{{- range $group, $settings := $groups -}}
{{- range $name := list "API_KEYS" "DATABASE_READ_URL" "DATABASE_URL" "KAFKA_OAUTH_CLIENT_SECRET" "KAFKA_SASL_PASSWORD" -}}
{{- if hasKey $settings $name -}}
{{- $problems = append $problems (printf "%s.%s is a secret, which anyone who may see pods could read: put it into a Secret and set files.%s_FILE" $group $name $name) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "DATA_DIR" "HOST" "PORT" "ROLE" -}}
{{- if hasKey $settings $name -}}
{{- $problems = append $problems (printf "%s.%s is decided by the chart: leave it out" $group $name) -}}
{{- end -}}
{{- end -}}
{{- range $name := keys $v.files | sortAlpha -}}
{{- if hasKey $settings $name -}}
{{- $problems = append $problems (printf "%s.%s and files.%s are both set: keep one" $group $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $isSplit (hasKey $v.settings "WORKERS") -}}
{{- $problems = append $problems "settings.WORKERS is for pods that answer requests: with roles=split, set api.settings.WORKERS" -}}
{{- end -}}

{{- range $component := $components -}}
{{- with (index $v $component).autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- $problems = append $problems (printf "%s.autoscaling: minReplicas is greater than maxReplicas" $component) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $protocol := toString $v.settings.KAFKA_SECURITY_PROTOCOL -}}
{{- $needsCredentials := or (hasPrefix "SASL_" $protocol) (hasKey $v.files "KAFKA_SSL_CERT_FILE") -}}
{{- if and $isSplit $v.consumer.autoscaling.enabled $needsCredentials (not $v.consumer.autoscaling.authenticationRef) -}}
{{- $problems = append $problems "consumer.autoscaling.authenticationRef is missing: KEDA asks Kafka for the lag by itself, and needs credentials" -}}
{{- end -}}

{{- with $v.metrics.serviceMonitor -}}
{{- if and .enabled (not .apiKey) (hasKey $v.files "API_KEYS_FILE") -}}
{{- $problems = append $problems "metrics.serviceMonitor.apiKey is missing: with API keys, Prometheus needs one, too (scope metrics)" -}}
{{- end -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) -}}
{{- $problems = append $problems "ingress.hosts is empty: name the hosts, or leave ingress.enabled out" -}}
{{- end -}}

{{- if $problems -}}
{{- fail (printf "\n\nThe values need a change:\n  - %s\n" (join "\n  - " $problems)) -}}
{{- end -}}
{{- end -}}
