{{- /* What the pods of watcher and webhook have alike. */}}
{{- define "watcher.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "watcher.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "watcher.environment" -}}
# The image names another, and the environment goes before the configuration.
- name: JENKINS_NOTARY_LEDGER
  value: {{ .Values.ledger.url | quote }}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "watcher.mounts" -}}
- name: config
  mountPath: /etc/jenkins-notary
  readOnly: true
- name: token
  mountPath: /run/notary/token
  readOnly: true
# Home: what was last seen of the ledger.
- name: home
  mountPath: /var/lib/notary
- name: tmp
  mountPath: /tmp
{{- if .Values.ledger.caConfigMap }}
- name: authorities
  mountPath: /run/notary/ca
  readOnly: true
{{- end }}
{{- end }}

{{- define "watcher.volumes" -}}
- name: config
  configMap:
    name: {{ include "watcher.name" .root }}
- name: token
  secret:
    secretName: {{ .token | default (include "watcher.tokenSecret" .root) }}
    defaultMode: 0440
    items:
      - key: token
        path: token
- name: home
  emptyDir:
    sizeLimit: 1Gi
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- if .root.Values.ledger.caConfigMap }}
- name: authorities
  configMap:
    name: {{ .root.Values.ledger.caConfigMap }}
{{- end }}
{{- end }}

{{- define "watcher.placement" -}}
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
{{- end }}
