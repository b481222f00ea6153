-- The questions asked at three in the morning. Dropped and made anew around every migration;
-- plain SQL that both databases read. One statement a block, blocks end with a semicolon.

CREATE VIEW dirty_now AS
SELECT kind, key, priority, reason, generation, first_marked_at, due_at, not_before, attempts,
       claimed_by, claimed_until, last_error
FROM dirty WHERE parked_at IS NULL;

CREATE VIEW parked AS
SELECT d.kind, d.key, d.parked_at, d.attempts, d.last_error, d.reason, c.person_id, c.address,
       c.state
FROM dirty d
LEFT JOIN calendar c ON d.kind = 'calendar' AND CAST(c.calendar_id AS varchar(160)) = d.key
WHERE d.parked_at IS NOT NULL;

CREATE VIEW unmatched_staff AS
SELECT s.username, s.course, s.semester, count(*) AS events
FROM teaching_staff s
LEFT JOIN identity i ON i.kind = 'username' AND i.value = s.username
LEFT JOIN calendar c ON c.person_id = i.person_id
WHERE c.calendar_id IS NULL
GROUP BY s.username, s.course, s.semester;

CREATE VIEW courses_without_placements AS
SELECT a.course, a.semester, a.actid, a.method, count(DISTINCT r.person_id) AS registered
FROM teaching_activity a
JOIN registration r ON r.course = a.course AND r.version = a.version
     AND r.semester = a.semester AND r.term_number = a.term_number
WHERE a.has_group AND NOT EXISTS (
    SELECT 1 FROM placement p WHERE p.course = a.course AND p.version = a.version
    AND p.semester = a.semester AND p.term_number = a.term_number AND p.actid = a.actid)
GROUP BY a.course, a.semester, a.actid, a.method;

CREATE VIEW busiest_courses AS
SELECT course, semester, count(*) AS entries, count(DISTINCT calendar_id) AS calendars
FROM entry WHERE status = 'live'
GROUP BY course, semester;
