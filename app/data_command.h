// The actions of `roboimi data`, one source file each. Each takes the words after its name and
// returns the exit status.
#pragma once

#include "app/commands.h"

namespace roboimi::app {

int data_info(const Arguments& words);
int data_stats(const Arguments& words);
int data_convert(const Arguments& words);
int data_play(const Arguments& words);

}  // namespace roboimi::app
