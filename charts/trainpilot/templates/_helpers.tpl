{{- define "trainpilot.name" -}}
{{- if contains "trainpilot" .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}-operator
{{- else -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}-trainpilot-operator
{{- end -}}
{{- end -}}

{{- /* Experiments let pods of this name reach theirs: it is part of the operator's contract. */ -}}
{{- define "trainpilot.selector" -}}
app.kubernetes.io/name: trainpilot-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "trainpilot.labels" -}}
{{ include "trainpilot.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- /* The image of a part: list of the root and its name. */ -}}
{{- define "trainpilot.image" -}}
{{- $root := index . 0 -}}
{{- $images := $root.Values.images -}}
{{- $part := index $images (index . 1) -}}
{{- $name := printf "%s/%s" (trimSuffix "/" $images.registry) $part.repository -}}
{{- if $part.digest -}}
{{ $name }}@{{ $part.digest }}
{{- else -}}
{{ $name }}:{{ $images.tag | default $root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* What all of our pods are restricted to. */ -}}
{{- define "trainpilot.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- /* Annotations of what `helm test` makes, by its place in the order. */ -}}
{{- define "trainpilot.test" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{- /* How Prometheus asks: list of the root and the interval. */ -}}
{{- define "trainpilot.endpoint" -}}
{{- $root := index . 0 -}}
{{- $metrics := $root.Values.metrics -}}
- port: {{ ternary "metrics" "http" $metrics.secure }}
  interval: {{ index . 1 }}
  # Experiments are in namespaces of their own, whose names the metrics bring along.
  honorLabels: true
  {{- if $metrics.secure }}
  scheme: https
  {{- if $metrics.certificateSecret }}
  tlsConfig:
    serverName: {{ include "trainpilot.name" $root }}-metrics.{{ $root.Release.Namespace }}.svc
    ca: {secret: {name: {{ $metrics.certificateSecret }}, key: ca.crt}}
  {{- else }}
  tlsConfig: {insecureSkipVerify: true}
  {{- end }}
  {{- end }}
{{- end -}}
