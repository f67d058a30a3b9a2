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
app.kubernetes.io/instance: {{ .Release.Name | quote }}
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

{{- define "watcher.admissionSelector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name }}-admission
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "watcher.admissionLabels" -}}
{{ include "watcher.admissionSelector" . }}
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

{{- /* Options of both commands, as docs/configuration.md has them. */}}
{{- define "watcher.commonOptions" -}}
{{- $options := dict "host" "0.0.0.0" "settings" "/etc/jenkins-notary/settings.yaml" "token-file" "/run/notary/token/token" }}
{{- with .Values.ledger.log }}
{{- $options = set $options "log" . }}
{{- end }}
{{- with .Values.ledger.plainHttp }}
{{- $options = set $options "plain-http" . }}
{{- end }}
{{- if .Values.ledger.caConfigMap }}
{{- $options = set $options "ca-file" "/run/notary/ca/ca.crt" }}
{{- end }}
{{- toJson $options }}
{{- end }}

{{- define "watcher.options" -}}
{{- $options := include "watcher.commonOptions" . | fromJson }}
{{- $options = set $options "port" 9581 }}
{{- include "watcher.file" $options }}
{{- end }}

{{- define "watcher.admissionOptions" -}}
{{- $options := include "watcher.commonOptions" . | fromJson }}
{{- $tls := dict "port" 9443 "tls-cert" "/run/notary/tls/tls.crt" "tls-key" "/run/notary/tls/tls.key" }}
{{- $policy := dict "admission-mode" .Values.admission.mode "admission-tags" .Values.admission.tags "admission-unavailable" .Values.admission.unavailable }}
{{- $bounds := dict "budget" .Values.admission.budgetMs "exclude-namespace" (concat (list .Release.Namespace) .Values.admission.excludeNamespaces | uniq) "workloads" .Values.admission.workloads }}
{{- $options = merge $options $tls $policy $bounds }}
{{- with .Values.admission.breakGlass }}
{{- $options = set $options "break-glass" . }}
{{- end }}
{{- with .Values.admission.cluster }}
{{- $options = set $options "cluster" . }}
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
{{- with .Values.history }}
{{- if .tokenSecret }}
{{- $history := dict "cluster" (required "history.cluster is needed" .cluster) "token-file" "/run/notary/history/token" }}
{{- with .job }}
{{- $history = set $history "job" . }}
{{- end }}
{{- $fixed = set $fixed "history" $history }}
{{- end }}
{{- end }}
{{- with .Values.registry }}
{{- if .enabled }}
{{- $fixed = set $fixed "registry" (dict "enabled" true "secrets" .secrets "plain-http" .plainHttp) }}
{{- end }}
{{- end }}
{{- if gt (int .Values.replicas) 1 }}
{{- $fixed = set $fixed "lease" (dict "name" (include "watcher.name" .)) }}
{{- end }}
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

{{- define "watcher.egress" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
    {{- /* The ledger's own port among them, whichever it is. */}}
    {{- $ledger := regexFind "[0-9]+$" (urlParse .Values.ledger.url).host | default (ternary "80" "443" (hasPrefix "http:" .Values.ledger.url)) }}
    {{- $ports := list }}
    {{- range append .Values.networkPolicy.egressPorts $ledger }}
    {{- $ports = append $ports (int .) }}
    {{- end }}
    {{- range uniq $ports }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end }}
