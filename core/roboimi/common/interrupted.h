// The error of a job that ends early because it was asked to stop, for example by Ctrl-C.
//
//   if (should_stop()) throw Interrupted({.what = "interrupted after 3 of 7 frames"});
//
// Only code that has seen the request throws it. An error that merely comes after a request, such
// as a full disk, keeps its own type and is reported as what it is. Code that adds to the text of
// an Error must let an Interrupted pass unchanged.
#pragma once

#include "roboimi/common/error.h"
#include "roboimi/common/export.h"

namespace roboimi {

class ROBOIMI_EXPORT Interrupted : public Error {
 public:
  using Error::Error;
  ~Interrupted() override;
};

}  // namespace roboimi
