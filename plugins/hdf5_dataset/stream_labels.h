// Units and element names of the vector streams, from the attributes `unit` and `names` of their
// tables. Recorders other than roboimi rarely write them, so they are optional.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plugins/hdf5_dataset/hdf5_file.h"
#include "plugins/hdf5_dataset/reading_notes.h"
#include "roboimi/contract/observation.h"

namespace roboimi::hdf5_dataset {

inline constexpr char kNames[] = "names";  // one string for each column, or camera of a group
inline constexpr char kUnit[] = "unit";

class StreamLabels {
 public:
  // Takes the attributes of `table`, which holds `stream` in one episode. Those that do not fit the
  // stream, or differ from another episode's, are noted and ignored.
  void add(const Hdf5File& file, const std::string& table, const StreamSpec& stream,
           ReadingNotes& notes);
  // Sets the units and names of the streams.
  void apply(ObservationSpec& spec) const;

 private:
  struct Labels {
    std::vector<std::string> names;
    std::string unit;
    bool has_other_names = false, has_other_units = false;
  };
  std::map<std::string, Labels> labels_;  // by stream
};

}  // namespace roboimi::hdf5_dataset
