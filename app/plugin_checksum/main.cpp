// The program `roboimi_plugin_checksum FILE.so...`, which writes the checksum into the note of
// freshly linked plugins. The loader uses it to detect damaged files (plugin/checksum.h).
// roboimi_add_plugin() runs it. Run it again after tools such as patchelf.
#include <cstdlib>
#include <iostream>

#include "roboimi/common/error.h"
#include "roboimi/plugin/checksum.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: roboimi_plugin_checksum FILE.so...\n";
    return EXIT_FAILURE;
  }
  try {
    for (int i = 1; i < argc; ++i) roboimi::write_plugin_checksum(argv[i]);
  } catch (const std::exception& error) {
    std::cerr << "roboimi_plugin_checksum: " << roboimi::one_line_message(error) << "\n";
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
