@echo off
rem Run one command of jenkins-notary for a Jenkins step; every value comes by environment.
rem Where the agent part lies beside the list of assets, it is run: by the first Python that
rem can, else by PowerShell. Otherwise the installed program is.
rem Delayed expansion: a value is put in after the line was read, so it cannot act.
setlocal EnableExtensions EnableDelayedExpansion
set "WORD=-"
if defined NOTARY_ARG set WORD="!NOTARY_ARG!"
if "!NOTARY_COMMAND!"=="evidence" if not defined NOTARY_ARG set "WORD="
set "AGENT=!NOTARY_DIR!\notary-agent"
if exist "!AGENT!.pyz" goto agent
jenkins-notary "!NOTARY_COMMAND!" -o json !WORD! < "!NOTARY_DIR!\assets.txt" > "!NOTARY_DIR!\out.json"
exit /b !ERRORLEVEL!

:agent
call :try py -3
call :try python3
call :try python
powershell -NoLogo -NoProfile -NonInteractive -ExecutionPolicy Bypass -File "!AGENT!.ps1" "!NOTARY_COMMAND!" < "!NOTARY_DIR!\assets.txt" > "!NOTARY_DIR!\out.json"
exit /b !ERRORLEVEL!

rem A Python that cannot run it, too old, absent or broken, prints no document.
:try
%* -I -S "!AGENT!.pyz" "!NOTARY_COMMAND!" -o json !WORD! < "!NOTARY_DIR!\assets.txt" > "!NOTARY_DIR!\out.json"
set "CODE=!ERRORLEVEL!"
for %%F in ("!NOTARY_DIR!\out.json") do if %%~zF gtr 0 exit !CODE!
exit /b
