@echo off
rem Run one command of jenkins-notary for a Jenkins step; every value comes by environment.
rem Delayed expansion: a value is put in after the line was read, so it cannot act.
setlocal EnableExtensions EnableDelayedExpansion
set "WORD=-"
if defined NOTARY_ARG set WORD="!NOTARY_ARG!"
if "!NOTARY_COMMAND!"=="evidence" if not defined NOTARY_ARG set "WORD="
jenkins-notary "!NOTARY_COMMAND!" -o json !WORD! < "!NOTARY_DIR!\assets.txt" > "!NOTARY_DIR!\out.json"
exit /b !ERRORLEVEL!
