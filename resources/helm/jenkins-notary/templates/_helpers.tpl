{{- define "watcher.name" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 42 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 42 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 42 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- /* What has no namespace must not be taken for another release's. */}}
{{- define "watcher.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "watcher.name" .) -}}
{{- end }}

{{- define "watcher.selector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "watcher.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "watcher.labels" -}}
{{ include "watcher.selector" . }}
{{ include "watcher.commonLabels" . }}
{{- end }}

{{- define "watcher.account" -}}
{{- .Values.serviceAccount.name | default (include "watcher.name" .) -}}
{{- end }}

{{- define "watcher.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "watcher.tokenSecret" -}}
{{- .Values.ledger.tokenSecret | default (include "watcher.name" .) -}}
{{- end }}

{{- /* Options of `kube watch`, as docs/configuration.md has them. */}}
{{- define "watcher.options" -}}
{{- $options := dict "host" "0.0.0.0" "port" 9581 "settings" "/etc/jenkins-notary/settings.yaml" "token-file" "/run/notary/token/token" }}
{{- with .Values.ledger.log }}
{{- $options = set $options "log" . }}
{{- end }}
{{- with .Values.ledger.plainHttp }}
{{- $options = set $options "plain-http" . }}
{{- end }}
{{- if .Values.ledger.caConfigMap }}
{{- $options = set $options "ca-file" "/run/notary/ca/ca.crt" }}
{{- end }}
{{- include "watcher.file" $options }}
{{- end }}

{{- define "watcher.settings" -}}
{{- $keys := list }}
{{- range .Values.trust.keys }}
{{- $keys = append $keys (trim .) }}
{{- end }}
{{- $trust := dict "keys" $keys "namespaces" .Values.trust.namespaces }}
{{- with .Values.trust.org }}
{{- $trust = set $trust "org" . }}
{{- end }}
{{- $watch := dict "namespaces" .Values.watch.namespaces "exclude-namespaces" .Values.watch.excludeNamespaces }}
{{- $fixed := dict "trust" $trust "watch" $watch "exemptions" .Values.exemptions }}
{{- include "watcher.file" (merge $fixed .Values.settings) }}
{{- end }}

{{- /* As YAML whose texts are quoted: what Helm leaves bare, 0xa1 and 40 digits more,
other readers take for a number. */}}
{{- define "watcher.file" -}}
{{- $lines := list }}
{{- range $key, $value := . }}
{{- $lines = append $lines (printf "%s: %s" $key (toJson $value)) }}
{{- end }}
{{- join "\n" $lines }}
{{- end }}
