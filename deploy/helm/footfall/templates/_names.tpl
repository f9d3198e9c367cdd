{{- define "footfall.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* Short enough for the suffixes -consumer and -migrate. */ -}}
{{- define "footfall.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "footfall.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "footfall.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Names of the Deployments' components. */ -}}
{{- define "footfall.components" -}}
{{- ternary (list "all") (list "api" "consumer") (eq .Values.roles "all") | toJson -}}
{{- end -}}

{{- /* The component that takes requests. */ -}}
{{- define "footfall.front" -}}
{{- ternary "all" "api" (eq .Values.roles "all") -}}
{{- end -}}

{{- /* In: root, component. Out: the name of that component's objects. */ -}}
{{- define "footfall.componentName" -}}
{{- include "footfall.fullname" .root }}{{ if ne .component "all" }}-{{ .component }}{{ end -}}
{{- end -}}

{{- /* All pods of the release. */ -}}
{{- define "footfall.selectorLabels" -}}
app.kubernetes.io/name: {{ include "footfall.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* In: root, component. Out: what selects that component's pods. */ -}}
{{- define "footfall.componentSelectorLabels" -}}
{{ include "footfall.selectorLabels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "footfall.labels" -}}
{{ include "footfall.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- /* In: root, component. */ -}}
{{- define "footfall.componentLabels" -}}
{{ include "footfall.labels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "footfall.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "footfall.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "footfall.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}
