#!/bin/sh
# Writes .env beside this file from .env.example, with a random value for each empty setting above the dashes.
set -eu
cd "$(dirname "$0")"
if [ -e .env ]; then
  echo "secrets.sh: .env is there already. Next: keep it, or remove it (what is encrypted with its keys is lost)." >&2
  exit 1
fi
umask 077
above=yes
while IFS= read -r line; do
  case $above$line in
    yes*_KEY=) line="$line$(openssl rand -base64 32 | tr '+/' '-_')" ;;
    yes*=) line="$line$(openssl rand -hex 32)" ;;
    yes'# ---'*) above=no ;;
  esac
  printf '%s\n' "$line"
done < .env.example > .env.new
mv .env.new .env
echo "secrets.sh: .env is written. Next: fill in LARK_APP_ID and LARK_APP_SECRET, and keep a copy of the keys elsewhere."
