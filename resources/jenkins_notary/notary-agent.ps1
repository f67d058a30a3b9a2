# The part of jenkins-notary that runs on Windows agents, where there is no Python.
#
#   powershell -NoProfile -File notary-agent.ps1 notarize|untrust|unsupport|authenticate
#
# For Windows PowerShell 5.1. Assets come by standard input, one a line in UTF-8: files by
# path, simple patterns, sha256:<64 hex>. Options come by environment, as those of
# jenkins-notary (JENKINS_NOTARY_LEDGER and so on); JSON and exit codes are its own. What it
# has beyond this is refused by name (64). The answer's completeness, names, digests,
# statuses and codes are checked; the receipt's signature is not: that needs Python.
# The token is never an argument and never in a message.
param([string]$Command = '')

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$Version = '0.1.0'
$MaxAssets = 1000
$MaxAnswer = 64MB
$Severity = 65, 70, 74, 78, 77, 69, 67, 66, 64, 1, 4, 3, 5, 2, 0
$Words = @{
    'usage' = 64; 'integrity' = 65; 'not-found' = 66; 'ambiguous' = 67; 'unavailable' = 69
    'internal' = 70; 'storage' = 74; 'permission' = 77; 'configuration' = 78
}
$Statuses = @{ 'TRUSTED' = 0; 'UNTRUSTED' = 1; 'UNKNOWN' = 2; 'UNSUPPORTED' = 3; 'REVOKED' = 4 }
$Utf8 = New-Object Text.UTF8Encoding($false, $true)
[Environment]::CurrentDirectory = (Get-Location).ProviderPath

# A failure of this call; Data holds the error's JSON form.
function New-Fault([int]$Code, [string]$Word, [string]$Subject, [string]$Expected, [string]$Got, [string]$Advice) {
    $facts = @()
    if ($Expected) { $facts += "expected $Expected" }
    if ($Got) { $facts += "got $Got" }
    $message = $Subject
    if ($facts) { $message += ': ' + ($facts -join ', ') }
    if ($Advice) { $message += "; $Advice" }
    $fault = [ordered]@{ error = $Word; code = $Code; message = $message; subject = $Subject }
    if ($Expected) { $fault.expected = $Expected }
    if ($Got) { $fault.got = $Got }
    if ($Advice) { $fault.advice = $Advice }
    return $fault
}

function Stop-With($Fault) {
    $failure = New-Object InvalidOperationException('fault')
    $failure.Data['fault'] = $Fault
    throw $failure
}

function Write-Notice([string]$Text) {
    [Console]::Error.WriteLine('jenkins-notary: ' + ($Text -replace '[\x00-\x1f\x7f]', ' '))
}

function Write-Document($Document) {
    $bytes = $Utf8.GetBytes((ConvertTo-Json -InputObject $Document -Depth 12 -Compress) + "`n")
    $stream = [Console]::OpenStandardOutput()
    $stream.Write($bytes, 0, $bytes.Length)
    $stream.Flush()
}

function Get-Option([string]$Name) {
    $value = [Environment]::GetEnvironmentVariable("JENKINS_NOTARY_$Name")
    if ($null -eq $value) { return '' }
    return $value
}

# A list: a line each; without a line break by comma.
function Get-ListOption([string]$Name) {
    $text = Get-Option $Name
    $parts = if ($text.Contains("`n")) { $text -split "`r?`n" } else { $text -split ',' }
    return , @($parts | ForEach-Object { $_.Trim() } | Where-Object { $_ })
}

function Get-Worst($Codes) {
    foreach ($code in $Severity) { if ($Codes -contains $code) { return $code } }
    return 0
}

function Test-Unsupported {
    foreach ($name in 'ATTACH', 'DIGEST_FILE', 'POLICY', 'CONFIG', 'AGAINST', 'NULL', 'CA_FILE') {
        if (Get-Option $name) {
            Stop-With (New-Fault 64 'usage' "JENKINS_NOTARY_$name" '' 'something that needs Python 3.8 or newer' 'install Python on the agent')
        }
    }
}

function Read-Words {
    $reader = New-Object IO.StreamReader([Console]::OpenStandardInput(), $Utf8)
    try { $text = $reader.ReadToEnd() } catch [Text.DecoderFallbackException] {
        Stop-With (New-Fault 64 'usage' 'the list on standard input' 'UTF-8' 'other bytes' '')
    }
    if (-not $text) { Stop-With (New-Fault 64 'usage' 'assets' 'at least one' 'none' '') }
    $words = @($text -split "`r?`n")
    if ($words[-1] -eq '') { $words = @($words | Select-Object -First ($words.Count - 1)) }
    foreach ($word in $words) {
        if (-not $word.Trim() -or $word -eq '-' -or $word -eq '-0') {
            Stop-With (New-Fault 64 'usage' 'the list on standard input' 'an asset in each line' 'a blank one' '')
        }
    }
    return , $words
}

# The name that a path is recorded under: relative to the workspace, else its last part.
function Get-DisplayName([string]$Path) {
    $here = [IO.Path]::GetFullPath('.').TrimEnd('\', '/') + [IO.Path]::DirectorySeparatorChar
    $full = [IO.Path]::GetFullPath($Path)
    if ($full.StartsWith($here, [StringComparison]::OrdinalIgnoreCase)) {
        return $full.Substring($here.Length).Replace('\', '/')
    }
    return [IO.Path]::GetFileName($full)
}

function Read-File([string]$Path) {
    if ([IO.Directory]::Exists($Path)) {
        Stop-With (New-Fault 64 'usage' $Path 'a file' 'a directory, which needs Python' '')
    }
    if (-not [IO.File]::Exists($Path)) {
        Stop-With (New-Fault 66 'not-found' $Path 'a file' 'no such file' '')
    }
    try {
        $before = New-Object IO.FileInfo($Path)
        $stream = New-Object IO.FileStream($Path, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::ReadWrite)
        try {
            $hasher = [Security.Cryptography.SHA256]::Create()
            $hash = $hasher.ComputeHash($stream)
            $size = $stream.Length
        } finally { $stream.Dispose() }
        $after = New-Object IO.FileInfo($Path)
    } catch [UnauthorizedAccessException] {
        Stop-With (New-Fault 77 'permission' $Path 'a readable file' 'permission denied' '')
    } catch [IO.IOException] {
        Stop-With (New-Fault 74 'storage' $Path 'a readable file' 'an error' '')
    }
    if ($before.Length -ne $size -or $after.Length -ne $size -or $before.LastWriteTimeUtc -ne $after.LastWriteTimeUtc) {
        Stop-With (New-Fault 64 'usage' $Path 'a file at rest' 'one that changed while it was read' '')
    }
    $digest = 'sha256:' + (-join ($hash | ForEach-Object { $_.ToString('x2') }))
    return @{ name = (Get-DisplayName $Path); kind = 'file'; digest = $digest; size = $size }
}

function Read-Pattern([string]$Pattern) {
    $folder = [IO.Path]::GetDirectoryName($Pattern)
    $last = $Pattern -replace '^.*[\\/]', ''
    if ($folder -match '[*?\[]' -or $Pattern.Contains('**') -or $last.Contains('[')) {
        Stop-With (New-Fault 64 'usage' "pattern $Pattern" '* and ? in the last part' 'what needs Python' 'install Python on the agent')
    }
    $root = if ($folder) { $folder } else { '.' }
    $found = @()
    if ([IO.Directory]::Exists($root)) {
        # Compared here: Windows' own search also matches short names.
        $found = @([IO.Directory]::GetFiles($root) | Where-Object {
            $name = [IO.Path]::GetFileName($_)
            $name -like $last -and -not ($name.StartsWith('.') -and -not $last.StartsWith('.'))
        })
        [Array]::Sort($found, [StringComparer]::Ordinal)
    }
    if (-not $found) {
        Stop-With (New-Fault 66 'not-found' "pattern $Pattern" 'at least one file' 'nothing that matches' '')
    }
    return , @($found | ForEach-Object { Read-File $_ })
}

function Read-Asset([string]$Word) {
    if ($Word -match '^(?i)sha256:') {
        if ($Word -notmatch '^(?i)sha256:[0-9a-f]{64}$') {
            Stop-With (New-Fault 64 'usage' "digest $Word" 'sha256:<64 hex digits>' 'another form' '')
        }
        $digest = $Word.ToLowerInvariant()
        if ($Command -eq 'notarize' -and -not (Get-Option 'NAME')) {
            Stop-With (New-Fault 64 'usage' $digest 'a name for the bare digest' 'none' 'set JENKINS_NOTARY_NAME')
        }
        return , @(@{ name = $digest; kind = 'digest'; digest = $digest; size = $null })
    }
    if ($Word.StartsWith('file://')) { return , @(Read-File $Word.Substring(7)) }
    if ($Word -match '^([A-Za-z+.-]+://|oci-archive:|oci:|docker-archive:)') {
        Stop-With (New-Fault 64 'usage' $Word 'a file or sha256:<64 hex>' 'what needs Python' 'install Python on the agent')
    }
    if ($Word -match '[<>|"]') {
        Stop-With (New-Fault 64 'usage' $Word 'a file name' 'an impossible character' '')
    }
    if ($Word -match '[*?]') { return Read-Pattern $Word }
    return , @(Read-File $Word)
}

# Returns a list of assets and faults, in the order of the words.
function Read-Assets($WordList) {
    $read = New-Object Collections.ArrayList
    foreach ($word in $WordList) {
        try {
            foreach ($asset in (Read-Asset $word)) { [void]$read.Add($asset) }
        } catch {
            $fault = Get-Fault $_
            Write-Notice "error: $($fault.message)"
            [void]$read.Add(@{ name = $word; fault = $fault })
        }
    }
    if ($read.Count -gt $MaxAssets) {
        Stop-With (New-Fault 64 'usage' 'assets' "at most $MaxAssets" "$($read.Count)" 'install Python on the agent')
    }
    $given = Get-Option 'NAME'
    if ($given) {
        if ($read.Count -ne 1) {
            Stop-With (New-Fault 64 'usage' "name $given" 'one asset to give it to' "$($read.Count)" '')
        }
        if (-not $read[0].ContainsKey('fault')) { $read[0].name = $given }
    }
    return , $read
}

function Get-Fault($ErrorRecord) {
    $failure = $ErrorRecord.Exception
    while ($null -ne $failure) {
        if ($failure.Data.Contains('fault')) { return $failure.Data['fault'] }
        $failure = $failure.InnerException
    }
    return New-Fault 70 'internal' 'internal fault' '' "$($ErrorRecord.Exception.GetType().Name) at line $($ErrorRecord.InvocationInfo.ScriptLineNumber)" 'please report it'
}

# Recording is all or nothing: the faults of all assets come together.
function Stop-AtFaults($Read) {
    $faults = @($Read | Where-Object { $_.ContainsKey('fault') } | ForEach-Object { $_.fault })
    if ($faults.Count -eq 1) { Stop-With $faults[0] }
    if ($faults.Count -gt 1) {
        $worst = Get-Worst @($faults | ForEach-Object { $_.code })
        Stop-With ([ordered]@{ error = 'faults'; code = $worst; message = "$($faults.Count) faults"; faults = $faults })
    }
}

function Hide-Secret([string]$Value) {
    if ($Value.Contains('://')) { $Value = ($Value -replace '://[^/]*@', '://') -replace '[?#].*$', '' }
    if ($Value.Length -gt 2048) { return $Value.Substring(0, 2048) }
    return $Value
}

# The job of the environment, or the one that was given; facts only of the same build.
function Get-Job {
    $given = Get-Option 'JOB'
    $name, $number, $url = $env:JOB_NAME, $env:BUILD_NUMBER, $env:JENKINS_URL
    $own = ''
    if ($name -and $number) {
        $own = "$name#$number"
        if ($url -match '^https?://(?:[^/?#]*@)?(\[[0-9a-fA-F:.]+\]|[^/:?#@]+)(?::([0-9]+))?(?:[/?#]|$)') {
            $instance = $Matches[1].Trim('[', ']').Replace(':', '-').ToLowerInvariant()
            if ($Matches.ContainsKey(2)) { $instance += "-$($Matches[2])" }
            $own = "${instance}:$own"
        }
        if (-not $given -or $given -eq "$name#$number") { $given = $own }
    }
    if (-not $given) { return $null }
    if ($given -notmatch '^([A-Za-z0-9.-]+:)?[^:#\x00-\x1f"?*<>|\\]+#[1-9][0-9]{0,18}$') {
        Stop-With (New-Fault 64 'usage' 'job id' '[INSTANCE:]FULL/NAME#NUMBER' $given 'the URL of a build needs Python')
    }
    if ($given -ne $own) { return [ordered]@{ id = $given } }
    $facts = [ordered]@{}
    foreach ($variable in 'BRANCH_NAME', 'BUILD_ID', 'BUILD_NUMBER', 'BUILD_TAG', 'BUILD_URL', 'CHANGE_ID', 'CHANGE_TARGET', 'GIT_BRANCH', 'GIT_COMMIT', 'JENKINS_NOTARY_MODE', 'JENKINS_URL', 'JOB_BASE_NAME', 'JOB_NAME', 'JOB_URL', 'NODE_LABELS', 'NODE_NAME', 'STAGE_NAME', 'TAG_NAME') {
        $value = [Environment]::GetEnvironmentVariable($variable)
        if ($value) { $facts[$variable] = Hide-Secret $value }
    }
    return [ordered]@{ id = $given; ci = 'jenkins'; environment = $facts }
}

function Get-Claim([string]$Status, $Read, $Job) {
    $bytes = New-Object byte[] 16
    [Security.Cryptography.RandomNumberGenerator]::Create().GetBytes($bytes)
    $attributes = [ordered]@{}
    foreach ($pair in (Get-ListOption 'ATTR')) {
        $key, $value = $pair -split '=', 2
        if ($key -cnotmatch '^[A-Za-z][A-Za-z0-9_.-]{0,63}$' -or -not $pair.Contains('=') -or $attributes.Contains($key)) {
            Stop-With (New-Fault 64 'usage' '--attr' 'KEY=VALUE, each key once' $key '')
        }
        $attributes[$key] = $value
    }
    $supersedes = @((Get-ListOption 'SUPERSEDE') | ForEach-Object {
        if ($_ -notmatch '^[0-9]{1,15}$') { Stop-With (New-Fault 64 'usage' '--supersede' "a record's index" $_ '') }
        [long]$_
    })
    $reason = Get-Option 'REASON'
    if ($Status -ne 'TRUSTED' -and -not $reason.Trim()) { Stop-With (New-Fault 64 'usage' '--reason' 'a value' 'none' '') }
    if ($supersedes -and -not $reason) { Stop-With (New-Fault 64 'usage' '--supersede' 'a TRUSTED record and a --reason' '' '') }
    return [ordered]@{
        recordId = -join ($bytes | ForEach-Object { $_.ToString('x2') })
        claimedAt = [DateTime]::UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", [Globalization.CultureInfo]::InvariantCulture)
        status = $Status
        job = $Job
        reason = $(if ($reason) { $reason } else { $null })
        supersedes = $supersedes
        attributes = $attributes
        assets = @($Read | ForEach-Object {
            [ordered]@{
                name = $_.name; kind = $_.kind; size = $_.size; ref = $null; metadata = @{}; dirty = $false
                subjects = @([ordered]@{ name = $_.name; digest = $_.digest; algorithms = @{} })
            }
        })
        attachments = @()
    }
}

function Get-Service {
    $ledger = Get-Option 'LEDGER'
    $shown = $ledger -replace '^.*@', ''
    if ($ledger -notmatch '^(?i)https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?$') {
        Stop-With (New-Fault 78 'configuration' "ledger '$shown'" 'https://HOST[:PORT][/PATH]' 'another form' '')
    }
    $address = New-Object Uri($ledger)
    $isNamed = (Get-ListOption 'PLAIN_HTTP') -contains $address.Authority -or (Get-ListOption 'PLAIN_HTTP') -contains $address.Host
    if ($address.Scheme -eq 'http' -and -not $address.IsLoopback -and -not $isNamed) {
        Stop-With (New-Fault 78 'configuration' "ledger $ledger" 'https' 'http, which shows the token to everyone on the way' "use https, or set JENKINS_NOTARY_PLAIN_HTTP to $($address.Authority)")
    }
    return $ledger.TrimEnd('/')
}

function Get-Token {
    $token = Get-Option 'TOKEN'
    $path = Get-Option 'TOKEN_FILE'
    if (-not $token -and $path) {
        try { $token = [IO.File]::ReadAllText($path).TrimEnd("`r", "`n") } catch {
            Stop-With (New-Fault 78 'configuration' "token file $path" 'a readable file' 'none' '')
        }
    }
    if ($token -match '[^\x21-\x7e]' -or $token.Length -gt 4096) {
        Stop-With (New-Fault 78 'configuration' 'the token' 'plain characters' 'others' '')
    }
    return $token
}

# What went wrong on the way, out of what PowerShell wraps around it.
function Find-WebFault($Cause) {
    while ($null -ne $Cause.InnerException -and $Cause -isnot [Net.WebException]) { $Cause = $Cause.InnerException }
    return $Cause
}

# One request; returns its status (0 for no whole answer), text and Retry-After.
function Send-Once([string]$Url, [byte[]]$Body, [string]$Token, [int]$TimeoutMs) {
    $request = [Net.HttpWebRequest]::Create($Url)
    $request.Method = 'POST'
    $request.AllowAutoRedirect = $false
    $request.KeepAlive = $false
    $request.Timeout = $TimeoutMs
    $request.ReadWriteTimeout = $TimeoutMs
    $request.ContentType = 'application/json'
    $request.Accept = 'application/json'
    $request.UserAgent = "jenkins-notary-agent/$Version"
    $request.ServicePoint.Expect100Continue = $false
    if ($Url.StartsWith('http://')) { $request.Proxy = $null }
    if ($Token) { $request.Headers['Authorization'] = "Bearer $Token" }
    $response = $null
    try {
        $request.ContentLength = $Body.Length
        $stream = $request.GetRequestStream()
        $stream.Write($Body, 0, $Body.Length)
        $stream.Dispose()
        try { $response = $request.GetResponse() } catch {
            $cause = Find-WebFault $_.Exception
            if ($cause -isnot [Net.WebException] -or $null -eq $cause.Response) { throw }
            $response = $cause.Response
        }
        $memory = New-Object IO.MemoryStream
        $reader = $response.GetResponseStream()
        $buffer = New-Object byte[] 65536
        while (($count = $reader.Read($buffer, 0, $buffer.Length)) -gt 0) {
            $memory.Write($buffer, 0, $count)
            if ($memory.Length -gt $MaxAnswer) { return @{ status = 0; text = ''; wait = 0; said = 'too long an answer'; final = $false } }
        }
        if ($response.ContentLength -ge 0 -and $memory.Length -ne $response.ContentLength) {
            return @{ status = 0; text = ''; wait = 0; said = 'an answer that breaks off'; final = $false }
        }
        $wait = 0
        if ("$($response.Headers['Retry-After'])" -match '^[0-9]{1,5}$') { $wait = [int]$response.Headers['Retry-After'] }
        return @{ status = [int]$response.StatusCode; text = $Utf8.GetString($memory.ToArray()); wait = $wait; said = ''; final = $false }
    } catch {
        $cause = Find-WebFault $_.Exception
        $kind = if ($cause -is [Net.WebException]) { $cause.Status } else { $cause.GetType().Name }
        return @{ status = 0; text = ''; wait = 0; said = "$kind"; final = ("$kind" -in 'TrustFailure', 'SecureChannelFailure') }
    } finally {
        if ($null -ne $response) { $response.Close() }
    }
}

# Sends, and again while the time lasts; returns the parsed object of a good answer.
function Send-Request([string]$Path, $Value) {
    [Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor [Net.SecurityProtocolType]::Tls12
    $timeout = Get-Option 'TIMEOUT'
    if (-not $timeout) { $timeout = '20' }
    if ($timeout -notmatch '^[1-9][0-9]{0,3}$' -or [int]$timeout -gt 3600) {
        Stop-With (New-Fault 64 'usage' '--timeout' '1 to 3600 seconds' $timeout '')
    }
    $service = Get-Service
    $token = Get-Token
    if (Get-Option 'LOG') {
        # A verdict that is to be checked with a key, and cannot be, is none.
        if ($Command -eq 'authenticate') {
            Stop-With (New-Fault 78 'configuration' 'JENKINS_NOTARY_LOG' 'a verdict that is checked with it' 'an agent without Python' 'install Python on the agent, or the whole jenkins-notary')
        }
        Write-Notice "the log's signature is not checked here: that needs Python"
    }
    $body = $Utf8.GetBytes((ConvertTo-Json -InputObject $Value -Depth 12 -Compress))
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $pause = 1
    while ($true) {
        $left = [int]$timeout * 1000 - $clock.ElapsedMilliseconds
        # A server that is silent for half the time gets one more attempt.
        $answer = Send-Once "$service/api/v1/$Path" $body $token ([Math]::Max(500, [Math]::Min($left, [int]$timeout * 500)))
        if ($answer.status -notin 0, 429, 500, 502, 503, 504) { break }
        if ($answer.wait -gt $pause) { $pause = $answer.wait }
        if ($answer.final -or $clock.ElapsedMilliseconds + $pause * 1000 -ge [int]$timeout * 1000) { break }
        Start-Sleep -Seconds $pause
        $pause = $pause * 2
    }
    $document = $null
    try { $document = ConvertFrom-Json -InputObject $answer.text } catch { $document = $null }
    if ($answer.status -in 200, 201 -and $document -is [Management.Automation.PSCustomObject]) { return $document }
    Stop-AtStatus $service $answer $document
}

function Get-Field($Object, [string]$Name) {
    if ($Object -isnot [Management.Automation.PSCustomObject]) { return $null }
    $property = $Object.PSObject.Properties[$Name]
    if ($null -eq $property) { return $null }
    return $property.Value
}

function Test-Error($Document) {
    $word, $code = (Get-Field $Document 'error'), (Get-Field $Document 'code')
    if ($word -isnot [string] -or ($code -isnot [int] -and $code -isnot [long])) { return $false }
    if ($word -ceq 'faults') { return $code -ge 64 -and $Severity -contains $code }
    return $Words.ContainsKey($word) -and $Words[$word] -eq $code
}

# End with what the service says, else by its status.
function Stop-AtStatus([string]$Service, $Answer, $Document) {
    if ($Answer.status -notin 200, 201 -and (Test-Error $Document)) { Stop-With $Document }
    $table = @{
        400 = 64, 'usage', ''; 413 = 64, 'usage', ''; 422 = 64, 'usage', ''
        401 = 77, 'permission', 'set JENKINS_NOTARY_TOKEN to a token of the service'
        403 = 77, 'permission', 'the token may not do this'
        404 = 66, 'not-found', 'check JENKINS_NOTARY_LEDGER: is this a notary service?'
        409 = 67, 'ambiguous', ''; 507 = 74, 'storage', ''
    }
    $code, $word, $advice = 69, 'unavailable', ''
    if ($table.ContainsKey($Answer.status)) { $code, $word, $advice = $table[$Answer.status] }
    $got = if ($Answer.status -in 200, 201) { 'something that is not its JSON' } elseif ($Answer.status) { "HTTP $($Answer.status)" } else { $Answer.said }
    Stop-With (New-Fault $code $word $Service 'an answer of a notary service' $got $advice)
}

function Stop-AtAnswer([string]$Expected, $Got) {
    Stop-With (New-Fault 65 'integrity' 'answer of the service' $Expected "$Got" 'do not rely on it: have the service and its ledger checked')
}

function Test-Receipt($Item) {
    $receipt, $index = (Get-Field $Item 'receipt'), (Get-Field $Item 'index')
    if ($index -isnot [int] -and $index -isnot [long]) { Stop-AtAnswer 'an index' $index }
    if ($receipt -isnot [string] -or -not $receipt.StartsWith("c2sp.org/tlog-proof@v1`n", [StringComparison]::Ordinal)) { Stop-AtAnswer 'a receipt' 'none' }
    if (-not $receipt.Contains("`nindex $index`n")) { Stop-AtAnswer "a receipt of #$index" 'another' }
}

# Checks that an answer has one item for each asset, about that asset; returns the items.
function Get-Items($Answer, $Assets) {
    # Read here: a list of one that a function returns is no list any more.
    $property = $Answer.PSObject.Properties['assets']
    if ($null -eq $property -or $property.Value -isnot [Array]) { Stop-AtAnswer 'a list of assets' 'none' }
    $items = @($property.Value)
    if ($items.Count -ne $Assets.Count) { Stop-AtAnswer "$($Assets.Count) assets" $items.Count }
    for ($place = 0; $place -lt $items.Count; $place++) {
        foreach ($key in 'name', 'kind', 'digest') {
            if ((Get-Field $items[$place] $key) -cne $Assets[$place].$key) { Stop-AtAnswer $Assets[$place].$key (Get-Field $items[$place] $key) }
        }
    }
    return , $items
}

function Test-Record($Item, [string]$Status, $Job) {
    if ((Get-Field $Item 'status') -cne $Status) { Stop-AtAnswer $Status (Get-Field $Item 'status') }
    if ((Get-Field $Item 'code') -isnot [int] -or (Get-Field $Item 'code') -ne 0) { Stop-AtAnswer 'code 0' (Get-Field $Item 'code') }
    $wanted = if ($null -eq $Job) { $null } else { $Job.id }
    if ((Get-Field $Item 'job') -cne $wanted) { Stop-AtAnswer "job $wanted" (Get-Field $Item 'job') }
    Test-Receipt $Item
}

function Test-Verdict($Item) {
    $code, $status, $fault = (Get-Field $Item 'code'), (Get-Field $Item 'status'), (Get-Field $Item 'error')
    if ($null -ne $fault) {
        if (-not (Test-Error $fault) -or $fault.code -ne $code -or $null -ne $status) { Stop-AtAnswer 'an error with its code' $code }
        return
    }
    if ($code -isnot [int] -or $status -isnot [string] -or -not $Statuses.ContainsKey($status) -or $Statuses[$status] -ne $code) { Stop-AtAnswer "the code of $status" $code }
    $size = Get-Field (Get-Field $Item 'as_of') 'tree_size'
    if ($size -isnot [int] -and $size -isnot [long]) { Stop-AtAnswer 'the state of the log' 'none' }
    if ($code -eq 0) { Test-Receipt $Item }
}

# Write NAME.tlog-proof and NAME.dsse.json of each asset, names made plain and different.
function Write-Receipts($Items, $Envelopes) {
    $folder = Get-Option 'RECEIPTS'
    if (-not $folder) { return }
    $taken = @{}
    try {
        [void][IO.Directory]::CreateDirectory($folder)
        foreach ($item in $Items) {
            $stem = ($item.name -replace '\\', '/').TrimEnd('/') -replace '^.*/', ''
            $stem = ($stem -replace '[^A-Za-z0-9._+=@,-]+', '_').TrimStart('.', '~', '-')
            if ($stem.Length -gt 180) { $stem = $stem.Substring(0, 180) }
            if (-not $stem) { $stem = 'asset' }
            $made, $again = $stem, 0
            while ($taken.ContainsKey($made)) { $again++; $made = "$stem~$again" }
            $taken[$made] = $true
            [IO.File]::WriteAllText([IO.Path]::Combine($folder, "$made.tlog-proof"), $item.receipt, $Utf8)
            $envelope = Get-Field $Envelopes "$($item.index)"
            if ($envelope -isnot [string]) { Stop-AtAnswer "the envelope of record #$($item.index)" 'none' }
            [IO.File]::WriteAllText([IO.Path]::Combine($folder, "$made.dsse.json"), $envelope, $Utf8)
        }
    } catch [IO.IOException] {
        Stop-With (New-Fault 74 'storage' "--receipts $folder" '' 'it cannot be written' 'the assets are recorded')
    }
}

function Invoke-Record([string]$Status) {
    $job = Get-Job
    $read = Read-Assets (Read-Words)
    Stop-AtFaults $read
    $claim = Get-Claim $Status $read $job
    $file = Get-Option 'CLAIMS'
    if ($file) {
        $whole = [ordered]@{ v = 1 }
        foreach ($key in $claim.Keys) { $whole[$key] = $claim[$key] }
        try {
            [IO.File]::WriteAllText("$file.part", (ConvertTo-Json -InputObject $whole -Depth 12) + "`n", $Utf8)
            if ([IO.File]::Exists($file)) { [IO.File]::Delete($file) }
            [IO.File]::Move("$file.part", $file)
        } catch {
            Stop-With (New-Fault 74 'storage' "--claims $file" '' 'it cannot be written' '')
        }
        Write-Notice "nothing is recorded yet: the claims are in $file"
        $items = @($read | ForEach-Object {
            [ordered]@{
                name = $_.name; kind = $_.kind; digest = $_.digest; ref = $null; size = $_.size
                status = $Status; job = $(if ($null -eq $job) { $null } else { $job.id })
                signer = $null; timestamp = $null; index = $null; receipt = $null; code = 0
            }
        })
        Write-Document ([ordered]@{ assets = $items })
        return 0
    }
    $answer = Send-Request 'records' $claim
    $items = Get-Items $answer $read
    foreach ($item in $items) { Test-Record $item $Status $job }
    Write-Receipts $items (Get-Field $answer 'envelopes')
    Write-Document ([ordered]@{ assets = $items })
    return 0
}

function Invoke-Authenticate {
    if (Get-Option 'CLAIMS') { Stop-With (New-Fault 64 'usage' '--claims' '' '' 'it writes a file; only recording can') }
    $read = Read-Assets (Read-Words)
    $known = @($read | Where-Object { -not $_.ContainsKey('fault') })
    $items = @()
    if ($known) {
        $org, $asOf = (Get-Option 'ORG'), (Get-Option 'AS_OF')
        $question = [ordered]@{
            assets = @($known | ForEach-Object { [ordered]@{ name = $_.name; kind = $_.kind; digest = $_.digest; ref = $null; size = $_.size; dirty = $false } })
            org = $(if ($org) { $org } else { $null })
            signers = (Get-ListOption 'SIGNER')
            asOf = $(if ($asOf) { $asOf } else { $null })
            strict = (Get-Option 'STRICT') -match '^(1|true|yes|on)$'
        }
        $items = Get-Items (Send-Request 'verdicts' $question) $known
        foreach ($item in $items) { Test-Verdict $item }
    }
    $next = 0
    $merged = @(foreach ($one in $read) {
        if ($one.ContainsKey('fault')) {
            [ordered]@{
                name = $one.name; kind = ''; digest = ''; ref = $null; size = $null; status = $null; code = $one.fault.code
                job = $null; signer = $null; timestamp = $null; index = $null; receipt = $null; as_of = $null
                reason = $one.fault.message; advice = ''; error = $one.fault
            }
        } else { $items[$next++] }
    })
    Write-Document ([ordered]@{ assets = $merged })
    return Get-Worst @($merged | ForEach-Object { $_.code })
}

try {
    Test-Unsupported
    $code = switch ($Command) {
        'notarize' { Invoke-Record 'TRUSTED' }
        'untrust' { Invoke-Record 'UNTRUSTED' }
        'unsupport' { Invoke-Record 'UNSUPPORTED' }
        'authenticate' { Invoke-Authenticate }
        default { Stop-With (New-Fault 64 'usage' "command $Command" 'notarize, untrust, unsupport or authenticate' 'something that needs Python' 'install Python on the agent') }
    }
} catch {
    $fault = Get-Fault $_
    $code = if ($fault -is [Collections.IDictionary]) { $fault['code'] } else { $fault.code }
    Write-Document $fault
    $message = if ($fault -is [Collections.IDictionary]) { $fault['message'] } else { Get-Field $fault 'message' }
    Write-Notice "error: $message"
}
exit [int]$code
