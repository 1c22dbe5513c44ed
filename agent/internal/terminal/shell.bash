# What bash reads when pyro starts it at a terminal: the user's own start file, then marks by which
# pyro knows where commands begin and how they end (OSC 133, as many terminals read it).

# This file's own descriptor, which the user's file may use for something else
exec 3<&-
[ -r ~/.bashrc ] && . ~/.bashrc
__pyro_prompt() {
  local code=$?
  printf '\e]133;D;%s\a\e]133;A\a' "$code"
  return "$code"
}
PROMPT_COMMAND="__pyro_prompt${PROMPT_COMMAND:+; $PROMPT_COMMAND}"
PS0=$'\e]133;C\a'"${PS0-}"
