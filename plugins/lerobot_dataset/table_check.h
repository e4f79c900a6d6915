// Comparison of the episode table and the totals of info.json with the rows that exist. The rows
// are used; differences are reported.
#pragma once

#include "plugins/lerobot_dataset/episode_table.h"
#include "plugins/lerobot_dataset/findings.h"
#include "plugins/lerobot_dataset/info_file.h"
#include "plugins/lerobot_dataset/row_index.h"
#include "plugins/lerobot_dataset/task_table.h"

namespace roboimi::lerobot_dataset {

// One warning for all episodes whose rows contradict the table, with the stored and true values.
void compare_table(const InfoFile& info, const EpisodeTable& table, const RowIndex& rows,
                   Findings& findings);

// One warning if info.json announces other numbers of episodes or rows than were found.
void compare_totals(const InfoFile& info, const RowIndex& rows, Findings& findings);

// One warning if the column `index` is not consecutive within episodes.
void report_index_gaps(const RowIndex& rows, Findings& findings);

// Reports rows that belong to no episode because they have no episode_index.
void report_lost_rows(const RowIndex& rows, Findings& findings);

}  // namespace roboimi::lerobot_dataset
