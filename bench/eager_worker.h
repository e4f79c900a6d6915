// A worker process that runs the Python side of a benchmark, such as eager PyTorch.
// bench/reference/NAME.py reads one word per line, does that work once and prints the seconds it
// took.
//
//   EagerWorker eager("imf_eager.py", {"--threads", "2"});
//   double seconds = eager.seconds("chunk");
#pragma once

#include <algorithm>
#include <boost/process.hpp>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace roboimi {

// Waits until OpenMP's threads sleep. They spin for some milliseconds after their work and would
// take cores from the other process, which runs next.
inline void let_threads_sleep() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

class EagerWorker {
 public:
  // `environment`: the folder of the Python environment in the source tree.
  EagerWorker(const std::string& script, std::vector<std::string> arguments,
              const std::string& environment = ".venv")
      : script_(script),
        child_(boost::process::search_path(
                   "python3", {std::string(ROBOIMI_SOURCE_DIR) + "/" + environment + "/bin"}),
               boost::process::args(with_script(script, std::move(arguments))),
               (boost::process::std_in < input_), (boost::process::std_out > output_)) {}
  ~EagerWorker() {
    input_.pipe().close();
    child_.wait();
  }

  double seconds(const std::string& word) {
    let_threads_sleep();
    input_ << word << std::endl;
    double value = -1.0;
    if (!(output_ >> value)) throw std::runtime_error(script_ + " ended early");
    return value;
  }

 private:
  static std::vector<std::string> with_script(const std::string& script,
                                              std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), ROBOIMI_SOURCE_DIR "/bench/reference/" + script);
    return arguments;
  }

  std::string script_;
  boost::process::opstream input_;
  boost::process::ipstream output_;
  boost::process::child child_;
};

inline double seconds_of(const std::function<void()>& work) {
  let_threads_sleep();
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// The median of the pairwise ratios.
inline double median_ratio(const std::vector<double>& ours, const std::vector<double>& other) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / other[i]);
  return median(ratios);
}

}  // namespace roboimi
