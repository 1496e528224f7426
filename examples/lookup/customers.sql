CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT, country TEXT);
INSERT INTO customer VALUES (7, 'Ann', 'FI'), (8, 'Bob', 'PT');
