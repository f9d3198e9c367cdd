{{- /* In: root, component. Out: the settings of its pods, as a JSON object. */ -}}
{{- define "footfall.settings" -}}
{{- $own := (index .root.Values .component | default dict).settings | default dict -}}
{{- mergeOverwrite (deepCopy .root.Values.settings) $own | toJson -}}
{{- end -}}

{{- define "footfall.scheme" -}}
{{- ternary "HTTPS" "HTTP" (hasKey .Values.files "HTTPS_CERT_FILE") -}}
{{- end -}}

{{- /* In: root, hosts (of the settings). Out: names under which others call. Without keys, Footfall answers only under names it knows. */ -}}
{{- define "footfall.ownHosts" -}}
{{- $given := .hosts -}}
{{- with .root -}}
{{- $service := include "footfall.fullname" . -}}
{{- $namespace := .Release.Namespace -}}
{{- $hosts := list $service (printf "%s.%s" $service $namespace) (printf "%s.%s.svc" $service $namespace) (printf "%s.%s.svc.cluster.local" $service $namespace) "$(POD_IP)" -}}
{{- range .Values.ingress.hosts -}}
{{- $hosts = append $hosts .host -}}
{{- end -}}
{{- with $given -}}
{{- $hosts = append $hosts . -}}
{{- end -}}
{{- join "," (uniq $hosts) -}}
{{- end -}}
{{- end -}}

{{- /* In: root, component, role, files. Out: env of its containers. */ -}}
{{- define "footfall.env" -}}
{{- $settings := include "footfall.settings" . | fromJson -}}
{{- if and .root.Values.migrations.enabled (not (hasKey $settings "DATABASE_MIGRATE")) }}
{{- $_ := set $settings "DATABASE_MIGRATE" "off" }}
{{- end }}
- name: ROLE
  value: {{ .role }}
{{- if eq (toString $settings.AUTH) "off" }}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
{{- $_ := set $settings "ALLOWED_HOSTS" (include "footfall.ownHosts" (dict "root" .root "hosts" $settings.ALLOWED_HOSTS)) }}
{{- end }}
{{- /* toJson writes large numbers as they are; quote would write 1e+08. */}}
{{- range $name, $value := $settings }}
- name: {{ $name }}
  value: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end }}
{{- range $name, $_ := .files }}
- name: {{ $name }}
  value: /etc/footfall/files/{{ $name }}
{{- end }}
{{- end -}}

{{- /* In: files. Out: one volume with all of them. Kubernetes replaces the files when a Secret changes. */ -}}
{{- define "footfall.filesVolume" -}}
{{- if .files -}}
- name: files
  projected:
    defaultMode: 0440
    sources:
      {{- range $name, $source := .files }}
      - {{ ternary "secret" "configMap" (hasKey $source "secret") }}:
          name: {{ $source.secret | default $source.configMap }}
          items:
            - key: {{ $source.key }}
              path: {{ $name }}
      {{- end }}
{{- end -}}
{{- end -}}

{{- define "footfall.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "footfall.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- /* In: root. Out: where pods may run. */ -}}
{{- define "footfall.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /*
In: root, component, command, files. Out: the spec of a pod that runs a command of footfall once, with the settings of
the service. It must not need objects of the chart: hooks run before they exist.
*/ -}}
{{- define "footfall.taskPod" -}}
{{- $root := .root -}}
restartPolicy: Never
automountServiceAccountToken: false
enableServiceLinks: false
serviceAccountName: {{ ternary "default" (include "footfall.serviceAccountName" $root) $root.Values.serviceAccount.create }}
securityContext:
  {{- include "footfall.podSecurityContext" $root | nindent 2 }}
containers:
  - name: {{ .command }}
    image: {{ include "footfall.image" $root }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: [node, src/main.ts, {{ .command }}]
    env:
      {{- include "footfall.env" (dict "root" $root "component" (include "footfall.front" $root) "role" "all" "files" .files) | nindent 6 }}
    securityContext:
      {{- include "footfall.securityContext" $root | nindent 6 }}
    resources:
      requests: {cpu: 100m, memory: 256Mi}
      limits: {memory: 512Mi}
    volumeMounts:
      {{- if .files }}
      - {name: files, mountPath: /etc/footfall/files, readOnly: true}
      {{- end }}
      - {name: tmp, mountPath: /tmp}
      {{- with $root.Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  {{- include "footfall.filesVolume" . | nindent 2 }}
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
  {{- with $root.Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with include "footfall.placement" $root | trim }}
{{ . }}
{{- end }}
{{- end -}}
