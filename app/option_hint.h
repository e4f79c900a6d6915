// A hint for an option that a command does not have. Most often it is a key of the config, written
// as other programs want it:
//
//   --train.max_steps=10  ->  write train.max_steps=10, without dashes
//   --batch_size 8        ->  write train.batch_size=8, without dashes
//   --confg FILE          ->  did you mean '--config'?
#pragma once

#include <boost/program_options.hpp>
#include <string>

#include "app/commands.h"

namespace roboimi::app {

// `option` as given, with its dashes; `arguments` are all words after the command. Looks for the
// key in the config that the arguments name, or else in the sections that every config has.
std::string hint_for_option(const std::string& option, const Arguments& arguments,
                            const boost::program_options::options_description& options);

}  // namespace roboimi::app
